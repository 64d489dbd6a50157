import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { type BenchRun, runBenchmark } from "../support/bench-run.ts";

const MAIN = join(import.meta.dirname, "../../bench/datapath.js");
const directory = mkdtempSync(join(tmpdir(), "flanneld-bench-"));
after(() => rmSync(directory, { recursive: true }));
const CHART = join(directory, "charts/datapath.svg");

function runBench(
  args: readonly string[],
  onLine?: (line: string, pid: number) => void,
  environment: NodeJS.ProcessEnv = {},
): Promise<BenchRun> {
  return runBenchmark(MAIN, args, { PEER: "", ...environment }, onLine);
}

/** A flanneld whose log says nothing that we know: routes for the other of the two hosts, and the subnet file. */
const PEER = `#!/bin/sh
for word; do case $word in --subnet-file=*) file=\${word#*=} ;; esac; done
case $(ip -4 -o addr show dev eth0) in
  *192.168.77.11/*) own=1 other=2 gateway=192.168.77.12 ;;
  *) own=2 other=1 gateway=192.168.77.11 ;;
esac
ip route add 10.5.$other.0/24 via $gateway
printf 'FLANNEL_NETWORK=10.5.0.0/16\\nFLANNEL_SUBNET=10.5.%s.1/24\\nFLANNEL_MTU=1472\\n' $own >"$file.new"
mv "$file.new" "$file"
exec sleep 600
`;
const BROKEN_PEER = `#!/bin/sh
echo "E1125 main.go:200] no such luck" >&2
exit 1
`;

function writeProgram(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text, { mode: 0o755 });
  return path;
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

  it("measures another flanneld without knowing its log", async () => {
    const env = { PEER: writeProgram("peer", PEER) };
    const bench = await runBench([...SHORT, "--only", "udp PEER"], undefined, env);
    assert.equal(bench.status, 0, bench.stdout + bench.progress.join("\n"));
    assert.match(bench.stdout, /^udp PEER +\d+\.\d\d /m);
    assert.deepEqual(bench.remains, []);
  });

  it("says with its own words why another flanneld does not start", async () => {
    const env = { PEER: writeProgram("broken-peer", BROKEN_PEER) };
    const bench = await runBench([...SHORT, "--only", "udp PEER"], undefined, env);
    assert.equal(bench.status, 2);
    assert.match(bench.stdout, /udp PEER: failed: flanneld on h\d ended with status 1: .* no such luck/);
    assert.deepEqual(bench.remains, []);
  });

  it("refuses what it does not understand, and a program that is not there", async () => {
    const absent = await runBench([], undefined, { PEER: "/nowhere/flanneld" });
    assert.equal(absent.status, 64);
    assert.match(absent.progress.join("\n"), /^bench: PEER=\/nowhere\/flanneld: this is no program that can be run/);
    const bench = await runBench(["--only", "vxlam"]);
    assert.equal(bench.status, 64);
    assert.match(bench.progress.join("\n"), /^bench: there is no path "vxlam": there are host-gw, /);
  });
});
