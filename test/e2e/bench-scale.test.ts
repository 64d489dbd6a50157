import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { Figure } from "../../bench/scale/figures.ts";
import { type BenchRun, runBenchmark } from "../support/bench-run.ts";

const MAIN = join(import.meta.dirname, "../../bench/scale.js");
const TINY = [
  ...["--leases", "30", "--present", "60", "--bursts", "40", "--rate", "10", "--churn", "2"],
  ...["--joiners", "15", "--watchers", "10", "--settle", "1", "--seconds", "3"],
];

const directory = mkdtempSync(join(tmpdir(), "flanneld-bench-"));
after(() => rmSync(directory, { recursive: true }));

/** Its temporary files are among what remains, too. */
async function runBench(args: readonly string[], onLine?: (line: string, pid: number) => void): Promise<BenchRun> {
  const run = await runBenchmark(MAIN, args, { TMPDIR: directory }, onLine);
  return { ...run, remains: [...run.remains, ...readdirSync(directory)] };
}

describe("bench:scale", () => {
  it("measures every part, keeps the promises that do not depend on the size, and leaves nothing behind", async () => {
    const bench = await runBench([...TINY, "--json"]);
    assert.ok(bench.status === 0 || bench.status === 1, bench.progress.join("\n"));
    const { figures }: { figures: readonly Figure[] } = JSON.parse(bench.stdout);
    const value = (section: string, what: string | RegExp) => {
      const found = figures.filter((figure) => figure.section === section && figure.what.match(what));
      assert.equal(found.length > 0, true, `${section}: ${what} is not there`);
      return found.map(({ measured }) => measured);
    };
    for (const { section, what, measured } of figures) assert.ok(Number.isFinite(measured), `${section}: ${what}`);
    for (const section of ["start", "burst", "churn"]) assert.deepEqual(value(section, /^differences/), [0]);
    assert.deepEqual(value("start", /^requests/), [5]);
    assert.deepEqual([value("burst", /^requests/), value("churn", /^requests/)], [[0], [0]]);
    assert.deepEqual(value("join", /^subnets given twice/), [0]);
    assert.deepEqual(
      value("join", /^requests/).map((each) => each >= 5 && each <= 7),
      [true],
    );
    assert.deepEqual(value("steady", /^requests of a census/), [1]);
    // A renewal may be under way when the measurement begins or ends.
    assert.deepEqual(value("steady", /^requests of a renewal/).map(Math.round), [2]);
    const [direct = 0, merged = 0] = value("proxy", /^watches/);
    assert.ok(direct === 20 && merged < direct, `${direct} and ${merged} watches`);
    assert.deepEqual(bench.remains, []);
  });

  it("prints tables for a person, and says which promise is broken", async () => {
    const bench = await runBench([...TINY, "--only", "start"]);
    assert.equal(bench.status, 0, bench.progress.join("\n"));
    assert.match(bench.stdout, /^Start of a daemon with leases in etcd\n +30 leases\nto all programmed +[\d,]+ ms$/m);
    assert.match(bench.stdout, /^ {2}met +start, 30 leases: differences between kernel and leases at most 0 +0$/m);
    assert.match(bench.progress.at(-1) ?? "", /start: 30 leases/);
  });

  for (const part of ["burst", "join"]) {
    it(`ends in order when it is interrupted in the middle of ${part}`, async () => {
      const interrupt = (line: string, pid: number) => line.includes(`${part}: `) && process.kill(pid, "SIGINT");
      const bench = await runBench([...TINY, "--only", part], interrupt);
      assert.equal(bench.status, 130, bench.progress.join("\n"));
      assert.match(bench.progress.at(-1) ?? "", /stopped; all of it is taken down/);
      assert.deepEqual(bench.remains, []);
    });
  }

  it("refuses what it does not understand", async () => {
    const bench = await runBench(["--only", "brust"]);
    assert.equal(bench.status, 64);
    assert.match(bench.progress.join("\n"), /^bench: there is no part "brust": there are start, /);
  });
});
