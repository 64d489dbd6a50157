import assert from "node:assert/strict";
import { setMaxListeners } from "node:events";
import { chmod, lstat, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { isError } from "../../../src/base/errors.ts";
import { controlClient } from "../../../src/control/client.ts";
import { findGroup } from "../../../src/control/listen.ts";
import { openControl } from "../../../src/control/server.ts";
import { createFakeDesk, type FakeDesk } from "../../support/control.ts";

const { signal } = new AbortController();
let directory: string;
let path: string;
let desk: FakeDesk;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flanneld-control-"));
  path = join(directory, "flanneld.sock");
  desk = createFakeDesk();
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const ask = (method: "GET" | "PUT" | "POST", url: string, body?: object) =>
  controlClient.ask(path, { method, url, ...(body && { body }) }, signal);

const refused = (reason: RegExp) => (error: unknown) => isError(error, "listen.failed") && reason.test(error.message);
const absent = (error: unknown) => isError(error, "daemon.absent");

/** As a client that says what it likes; resolves to all that came back when the connection has ended. */
async function say(text: string): Promise<string> {
  const socket = connect(path);
  socket.write(text);
  return await all(socket);
}

async function all(socket: Socket): Promise<string> {
  let heard = "";
  try {
    for await (const chunk of socket) heard += chunk;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error;
  }
  return heard;
}

describe("the control socket", () => {
  it("answers whoever may open it, and is gone when the daemon has ended", async () => {
    {
      await using _control = await openControl(path, desk);
      assert.deepEqual(await ask("GET", "/status"), JSON.parse(JSON.stringify(desk.snapshot)));
      assert.deepEqual(await ask("PUT", "/log-level", { level: "debug" }), { level: "debug", before: "info" });
      await ask("POST", "/reload");
      assert.equal(desk.reloads, 1);
    }
    await assert.rejects(lstat(path), { code: "ENOENT" });
    await assert.rejects(ask("GET", "/status"), absent);
  });

  it("is open to its owner and a group from the first moment on, whatever the umask", async () => {
    const umask = process.umask(0);
    try {
      await using _control = await openControl(path, desk);
      assert.equal((await stat(path)).mode & 0o777, 0o660);
      assert.equal(process.umask(), 0);
    } finally {
      process.umask(umask);
    }
  });

  it("makes its directory", async () => {
    path = join(directory, "run", "flannel", "flanneld.sock");
    await using _control = await openControl(path, desk);
    await ask("GET", "/status");
  });

  it("takes the place of one that a killed daemon has left", async () => {
    const left = createServer().listen(path);
    await new Promise((listening) => left.once("listening", listening));
    const kept = join(directory, "kept.sock");
    // Node: takes its socket away at the end, which a killed process does not.
    const { link } = await import("node:fs/promises");
    await link(path, kept);
    await new Promise((closed) => left.close(closed));
    await link(kept, path);
    await assert.rejects(ask("GET", "/status"), absent);
    await using _control = await openControl(path, desk);
    await ask("GET", "/status");
  });

  it("leaves one alone on which another process answers", async () => {
    await using _first = await openControl(path, desk);
    await assert.rejects(
      openControl(path, createFakeDesk()),
      refused(/another process listens there.*--control-socket/),
    );
    await ask("POST", "/reload");
    assert.equal(desk.reloads, 1);
  });

  it("removes nothing that is no socket, and follows no link", async () => {
    await writeFile(path, "mine");
    await assert.rejects(openControl(path, desk), refused(/no socket/));
    await rm(path);
    await symlink("/nowhere", path);
    await assert.rejects(openControl(path, desk), refused(/no socket/));
  });

  it("says why it cannot listen", async () => {
    await assert.rejects(openControl(join(directory, "x".repeat(120)), desk), refused(/107 bytes/));
    await writeFile(join(directory, "file"), "");
    await assert.rejects(openControl(join(directory, "file", "x.sock"), desk), refused(/no directory/));
  });

  it("sends the events that were and those that come, until the daemon ends", async () => {
    desk.events.record("info", "one", {});
    const control = await openControl(path, desk);
    const seen: string[] = [];
    const following = (async () => {
      for await (const line of await controlClient.follow(path, "/events?follow", signal)) {
        seen.push(JSON.parse(line).kind);
        if (seen.length === 1) desk.events.record("info", "two", {});
        if (seen.length === 2) void control[Symbol.asyncDispose]();
      }
    })();
    await following;
    assert.deepEqual(seen, ["one", "two"]);
  });

  it("forgets a follower that has gone, and refuses more than sixteen", async () => {
    await using _control = await openControl(path, desk);
    desk.events.record("info", "one", {});
    const gone = new AbortController();
    setMaxListeners(0, gone.signal);
    const follow = async (limit: AbortSignal) =>
      (await controlClient.follow(path, "/events?follow", limit))[Symbol.asyncIterator]();
    const followers = await Promise.all(Array.from({ length: 16 }, () => follow(gone.signal)));
    await Promise.all(followers.map((one) => one.next()));
    await assert.rejects(follow(signal), (error: unknown) => isError(error, "request.refused"));
    gone.abort(new Error("enough"));
    await Promise.allSettled(followers.map((one) => one.next()));
    for (;;) {
      const next = await follow(signal).catch(() => null);
      const first = await next?.next().catch(() => null);
      await next?.return?.();
      if (first?.value) break;
    }
  });

  it("lets those go who wait for an answer too long, and no follower", { timeout: 20_000 }, async (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const asking: (() => void)[] = [];
    const arrived = Array.from({ length: 31 }, () => new Promise<void>((resolve) => asking.push(resolve)));
    const { status } = desk;
    desk.status = () => new Promise(() => asking.shift()?.());
    await using _control = await openControl(path, desk);
    desk.events.record("info", "one", {});
    const following = (await controlClient.follow(path, "/events?follow", signal))[Symbol.asyncIterator]();
    await following.next();
    const slow = arrived.map(() => say("GET /status HTTP/1.1\r\nHost: x\r\n\r\n"));
    await Promise.all(arrived);
    context.mock.timers.tick(10_000);
    assert.deepEqual(new Set(await Promise.all(slow)), new Set([""]));
    desk.status = status;
    await ask("GET", "/status");
    desk.events.record("info", "two", {});
    assert.match((await following.next()).value, /two/);
    await following.return?.();
  });

  it("drops a connection whose answer cannot be sent, and nothing else", async () => {
    const { status } = desk;
    desk.status = async () => ({ count: 1n }) as never;
    await using _control = await openControl(path, desk);
    await assert.rejects(ask("GET", "/status"));
    desk.status = status;
    await ask("GET", "/status");
  });

  it("takes one request of a connection, so that none holds a follower's place for nothing", async () => {
    await using _control = await openControl(path, desk);
    const head = (url: string) => `GET ${url} HTTP/1.1\r\nHost: x\r\n\r\n`;
    for (let count = 0; count < 20; count += 1) await say(head("/status") + head("/events?follow"));
    for (let count = 0; count < 20; count += 1) await say(head("/events?follow") + head("/status"));
    desk.events.record("info", "one", {});
    const following = (await controlClient.follow(path, "/events?follow", signal))[Symbol.asyncIterator]();
    assert.match((await following.next()).value, /one/);
    await following.return?.();
  });

  it("survives whatever is said to it", async () => {
    await using _control = await openControl(path, desk);
    assert.match(await say("nonsense\r\n\r\n"), /^HTTP\/1.1 400/);
    assert.match(await say(`GET /${"x".repeat(100_000)} HTTP/1.1\r\n\r\n`), /^HTTP\/1.1 431/);
    const long = "x".repeat(5000);
    const put = `PUT /log-level HTTP/1.1\r\nHost: x\r\nContent-Length: ${long.length}\r\n\r\n${long}`;
    assert.match(await say(put), /^HTTP\/1.1 413/);
    assert.equal(desk.logLevel.get(), "info");
    await ask("GET", "/status");
  });

  it("keeps those out who have no right to it", { skip: process.getuid?.() !== 0 }, async () => {
    await using _control = await openControl(path, desk);
    await chmod(directory, 0o755);
    const groups = process.getgroups?.() ?? [];
    process.setgroups?.([65_534]);
    process.setegid?.(65_534);
    process.seteuid?.(65_534);
    try {
      await assert.rejects(ask("GET", "/status"), (error: unknown) => isError(error, "daemon.denied"));
    } finally {
      process.seteuid?.(0);
      process.setegid?.(0);
      process.setgroups?.(groups);
    }
  });
});

describe("the search for control sockets", () => {
  it("finds those in a directory and one below by their names, and takes a path as it is", async () => {
    await using _one = await openControl(path, desk);
    const other = join(directory, "blue", "flanneld-blue.sock");
    await using _two = await openControl(other, desk);
    await using _three = await openControl(join(directory, "docker.sock"), desk);
    await writeFile(join(directory, "flanneld-x.sock"), "");
    assert.deepEqual(await controlClient.find(directory), [other, path]);
    assert.deepEqual(await controlClient.find(path), [path]);
    assert.deepEqual(await controlClient.find(join(directory, "none")), [join(directory, "none")]);
  });
});

describe("findGroup()", () => {
  it("reads the number of a group, and null when there is none", () => {
    const text = "root:x:0:\nflannelx:x:7:\nflannel:x:998:ann,ben\nbad:x:\n";
    assert.equal(findGroup(text, "flannel"), 998);
    assert.equal(findGroup(text, "bad"), null);
    assert.equal(findGroup(text, "flan"), null);
    assert.equal(findGroup("", "flannel"), null);
  });
});
