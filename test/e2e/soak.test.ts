import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { run } from "../../lab/run.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";

const MAIN = join(import.meta.dirname, "../../soak/main.js");
const { signal } = new AbortController();

interface Soak {
  readonly status: number | null;
  readonly stdout: string;
  readonly progress: readonly string[];
  /** Namespaces and directories of its run that are still there. */
  readonly remains: readonly string[];
}

/** Runs it to its end. Calls `onLine` for each line of progress, with its process and the name of its run. */
async function runSoak(
  args: readonly string[],
  onLine: (line: string, pid: number, run: string) => void = () => {},
): Promise<Soak> {
  const child = spawn(process.execPath, [MAIN, "--json", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const pid = child.pid ?? 0;
  const name = `fl${pid.toString(36)}`;
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  const progress: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => {
    progress.push(line);
    onLine(line, pid, name);
  });
  const status = await new Promise<number | null>((done) => child.on("close", done));
  return { status, stdout, progress, remains: listRemains(name) };
}

function listRemains(run: string): readonly string[] {
  return ["/run/netns", "/run/flannel-lab"].flatMap((parent) =>
    existsSync(parent) ? readdirSync(parent).filter((name) => name === run || name.startsWith(`${run}-`)) : [],
  );
}

async function interruptOnceFrozen(pid: number, name: string): Promise<void> {
  const look = async () => {
    const { stdout } = await run(["ip", "netns", "pids", `${name}-etcd`], {}, signal);
    return stdout.split("\n").some((pid) => pid !== "" && isStopped(pid)) || null;
  };
  await waitFor("a process that is stopped", look, seconds(60), signal);
  process.kill(pid, "SIGINT");
}

function isStopped(pid: string): boolean {
  const status = `/proc/${pid}/status`;
  return existsSync(status) && /^State:\tT/m.test(readFileSync(status, "utf8"));
}

interface Packets {
  readonly sent: number;
  readonly lost: number;
  /** Of the lost ones, those that a busy machine has lost. */
  readonly shared: number;
}

interface Story {
  readonly backend: string;
  readonly seed: number;
  readonly held: boolean;
  readonly interrupted: boolean;
  readonly troubles: readonly string[];
  readonly episodes: readonly { readonly fault: string; readonly packets: Packets }[];
}

describe("npm run soak", () => {
  it("finds that everything holds through faults of etcd, of flanneld and of hosts, and leaves nothing behind", async () => {
    const faults = ["device-deleted", "flanneld-killed", "record-garbage", "ruleset-flushed"];
    const args = ["--rounds=1", "--backend=vxlan", "--seed=7", `--only=${faults.join()}`];
    const { status, stdout, progress, remains } = await runSoak(args);
    assert.equal(status, 0, progress.join("\n"));
    const [story] = JSON.parse(stdout) as readonly [Story];
    assert.deepEqual([story.backend, story.seed, story.held, story.troubles], ["vxlan", 7, true, []]);
    assert.deepEqual(story.episodes.map(({ fault }) => fault).toSorted(), faults);
    for (const { fault, packets } of story.episodes) {
      assert.ok(packets.sent > 0);
      assert.equal(packets.lost > packets.shared, fault === "device-deleted", fault);
    }
    const text = progress.join("\n");
    assert.match(text, /\d+\.\d s\] flanneld-killed +h\d .* packets, \d+ lost/);
    assert.match(
      text,
      /\d+\.\d s\] device-deleted +h\d .* lost \(\d+ that the fault may cost, the last after \d+\.\d+ s/,
    );
    assert.deepEqual(remains, []);
  });

  it("ends with status 1, the seed and the logs when packets are lost that no fault may cost", async () => {
    let isDown = false;
    const { status, stdout, progress, remains } = await runSoak(
      ["--minutes=5", "--backend=vxlan", "--seed=7", "--only=record-deleted"],
      (line, _, name) => {
        if (isDown || !line.includes("record-deleted")) return;
        isDown = true;
        // flanneld puts it back, after packets were lost.
        void run(["ip", "-n", `${name}-h1`, "link", "set", "flannel.1", "down"], {}, signal);
      },
    );
    assert.equal(status, 1, progress.join("\n"));
    const text = progress.join("\n");
    assert.match(
      text,
      /^BROKEN: record-deleted on h\d: lost between pods: h1-h2: \d+ packets, numbers \d+ to \d+, sent /m,
    );
    assert.match(text, /^log of h1:\n {2}.*INFO/m);
    assert.match(text, /whole logs are in .*soak-logs/);
    const [story] = JSON.parse(stdout) as readonly [Story];
    assert.deepEqual([story.seed, story.held], [7, false]);
    assert.deepEqual(remains, []);
  });

  it("stops in order when it is interrupted, with etcd frozen and all", async () => {
    const args = ["--minutes=5", "--backend=vxlan", "--only=etcd-frozen"];
    const { status, stdout, progress, remains } = await runSoak(args, (line, pid, name) => {
      if (line.includes("all pods reach all")) void interruptOnceFrozen(pid, name);
    });
    assert.equal(status, 130, progress.join("\n"));
    const [story] = JSON.parse(stdout) as readonly [Story];
    assert.deepEqual([story.interrupted, story.held, story.episodes], [true, true, []]);
    assert.match(progress.at(-1) ?? "", /stopped; all of it is taken down/);
    assert.deepEqual(remains, []);
  });

  it("refuses a wrong command line in one sentence", async () => {
    const { status, progress } = await runSoak(["--only=rain"]);
    assert.equal(status, 64);
    assert.deepEqual(progress, ["soak: --only rain: there is no such fault, and no such kind of faults; see --list"]);
  });
});
