import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, describe, it } from "node:test";

const MAIN = join(import.meta.dirname, "../../bench/datapath.js");
const directory = mkdtempSync(join(tmpdir(), "flanneld-bench-"));
after(() => rmSync(directory, { recursive: true }));
const CHART = join(directory, "charts/datapath.svg");

interface Bench {
  readonly status: number | null;
  readonly stdout: string;
  readonly progress: readonly string[];
  /** Namespaces and directories of its run that are still there. */
  readonly remains: readonly string[];
}

/** Runs it to its end. Calls `onLine` for each line of progress. */
async function runBench(
  args: readonly string[],
  onLine: (line: string, pid: number) => void = () => {},
): Promise<Bench> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const pid = child.pid ?? 0;
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  const progress: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => {
    progress.push(line);
    onLine(line, pid);
  });
  const status = await new Promise<number | null>((done) => child.on("close", done));
  return { status, stdout, progress, remains: listRemains(`fl${pid.toString(36)}`) };
}

function listRemains(run: string): readonly string[] {
  return ["/run/netns", "/run/flannel-lab"].flatMap((parent) =>
    existsSync(parent)
      ? readdirSync(parent).filter((name) => name === run || name.startsWith(`${run}-`) || name.startsWith(`${run}.`))
      : [],
  );
}

const SHORT = ["--rounds", "1", "--seconds", "1", "--chart", CHART];

describe("bench:datapath", () => {
  it("measures a path, draws a chart and leaves nothing else behind", async () => {
    const bench = await runBench([...SHORT, "--only", "vxlan", "--json"]);
    assert.equal(bench.status, 0, bench.progress.join("\n"));
    const { paths, targets } = JSON.parse(bench.stdout);
    assert.equal(paths.length, 1);
    assert.deepEqual(paths[0].trouble, null);
    const [figures] = paths[0].rounds;
    for (const measure of ["tcpGigabitsPerSecond", "tcp4GigabitsPerSecond", "tcpCpuPerGigabit"]) {
      assert.ok(figures[measure] > 0, `${measure} is ${figures[measure]}`);
    }
    for (const size of ["udp1400", "udp64"]) {
      assert.ok(figures[`${size}Received`] > 0);
      assert.ok(figures[`${size}LossPercent`] >= 0 && figures[`${size}LossPercent`] <= 100);
    }
    const trips = ["rttMin", "rttP50", "rttP90", "rttP99", "rttMax"].map((measure) => figures[measure]);
    assert.ok(trips[0] > 0);
    assert.deepEqual(
      trips,
      trips.toSorted((a, b) => a - b),
    );
    assert.deepEqual(targets, []);
    assert.match(readFileSync(CHART, "utf8"), /^<svg .*<\/svg>\n$/s);
    assert.match(bench.progress.at(-1) ?? "", /round 1 of 1: vxlan: TCP .* Gbit\/s, UDP .* packets\/s, RTT \d+ µs/);
    assert.deepEqual(bench.remains, []);
  });

  it("ends in order when it is interrupted in the middle of its work", async () => {
    const interrupt = (line: string, pid: number) => /host-gw by hand: TCP/.test(line) && process.kill(pid, "SIGINT");
    const args = [...SHORT, "--rounds", "2", "--only", "host-gw by hand"];
    const bench = await runBench(args, interrupt);
    assert.equal(bench.status, 130, bench.progress.join("\n"));
    assert.match(bench.progress.at(-1) ?? "", /stopped; all of it is taken down/);
    assert.deepEqual(bench.remains, []);
  });

  it("says why a path has failed, and ends with 2", async () => {
    const bench = await runBench([...SHORT, "--only", "host-gw by hand", "--congestion", "none-of-that-name"]);
    assert.equal(bench.status, 2);
    assert.match(bench.stdout, /host-gw by hand: failed: iperf3: .*TCP_CONGESTION/);
    assert.deepEqual(bench.remains, []);
  });

  it("refuses what it does not understand", async () => {
    const bench = await runBench(["--only", "vxlam"]);
    assert.equal(bench.status, 64);
    assert.match(bench.progress.join("\n"), /^bench: there is no path "vxlam": there are host-gw, /);
  });
});
