// The asker's end against sockets of every kind, and the built command where its output ends before the daemon.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { controlClient } from "../../../src/control/client.ts";
import { openControl } from "../../../src/control/server.ts";
import { createFakeDesk, type FakeDesk } from "../../support/control.ts";

const { signal } = new AbortController();
const PROGRAM = join(import.meta.dirname, "../../../../bin/flanneld");
let directory: string;
let path: string;
let desk: FakeDesk;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flanneld-client-"));
  path = join(directory, "flanneld.sock");
  desk = createFakeDesk();
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const status = (socket: string) => controlClient.ask(socket, { method: "GET", url: "/status" }, signal);

/** A process that is killed while it listens leaves its socket. */
async function desert(socket: string): Promise<void> {
  const script = `require("net").createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 9))`;
  await once(spawn(process.execPath, ["-e", script]), "exit");
}

describe("a socket", () => {
  it("that nobody listens on is told from one with a daemon", async () => {
    const left = join(directory, "flanneld-left.sock");
    await desert(left);
    await using _control = await openControl(path, desk);
    assert.deepEqual(await controlClient.find(directory), [left, path]);
    assert.deepEqual(
      [await controlClient.isDeserted(left, signal), await controlClient.isDeserted(path, signal)],
      [true, false],
    );
    await assert.rejects(status(left), /the daemon that made the socket has ended: systemctl start flanneld$/);
  });

  it("that is none is called so", async () => {
    await writeFile(path, "");
    await assert.rejects(status(path), /: it is no socket$/);
    assert.equal(await controlClient.isDeserted(path, signal), false);
  });

  it("that is missing is missed in the same words with and without its directory", async () => {
    const there = join(directory, "there");
    await mkdir(there);
    const absent = await run(`${PROGRAM} peers --socket=${join(directory, "not-there")}`);
    const empty = await run(`${PROGRAM} peers --socket=${there}`);
    assert.deepEqual([absent.status, empty.status], [2, 2]);
    assert.equal(absent.stderr.replace("not-there", "there"), empty.stderr);
  });
});

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `onOutput` is called whenever it has written something. */
async function run(line: string, onOutput: () => void = () => {}): Promise<Ended> {
  const child = spawn("bash", ["-o", "pipefail", "-c", line], { stdio: ["ignore", "pipe", "pipe"] });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].on("data", (chunk) => {
      said[name] += chunk;
      onOutput();
    });
  }
  const [code] = await once(child, "close");
  return { status: code, ...said };
}

describe("events --follow", () => {
  it("ends with the first event that nobody reads any more", async () => {
    desk.events.record("info", "one", {});
    await using _control = await openControl(path, desk);
    // Whenever the reader has ended, the next event finds nobody.
    let timer: NodeJS.Timeout | undefined;
    try {
      const { status, stdout, stderr } = await run(`${PROGRAM} events --follow --socket=${path} | head -1`, () => {
        timer ??= setInterval(() => desk.events.record("info", "more", {}), 20);
      });
      assert.deepEqual([status, stderr], [0, ""]);
      assert.match(stdout, /^\S+ INFO {2}one\n$/);
    } finally {
      clearInterval(timer);
    }
  });

  it("ends with 74 and a sentence when there is no room for what it writes", async () => {
    desk.events.record("info", "one", {});
    await using _control = await openControl(path, desk);
    const { status, stderr } = await run(`${PROGRAM} events --follow --socket=${path} >/dev/full`);
    assert.deepEqual(
      [status, stderr],
      [74, "flanneld: cannot write to standard output: no space left on the device\n"],
    );
  });

  it("waits for the first answer as long as it is told, and for events without a limit", async () => {
    const frozen = createServer(() => {});
    frozen.listen(path);
    await once(frozen, "listening");
    try {
      const { status, stderr } = await run(`${PROGRAM} events --follow --timeout=1 --socket=${path}`);
      assert.equal(status, 2);
      assert.match(stderr, /no answer within 1 s \(--timeout waits longer\)$/m);
    } finally {
      frozen.closeAllConnections();
      frozen.close();
    }
    await using _control = await openControl(path, desk);
    setTimeout(() => desk.events.record("info", "late", {}), 2500);
    const late = await run(
      `${PROGRAM} events --follow --timeout=1 --socket=${path} | { read -r line; echo "$line"; }`,
      () => desk.events.record("info", "more", {}),
    );
    assert.match(late.stdout, / late$/m);
  });
});
