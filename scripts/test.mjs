// npm test: all tiers one after another, then what failed and one line with the sums. Tests are compiled before (scripts/build).
//   npm test                                        everything
//   npm test -- --tier unit --tier etcd             these tiers: check, unit, native, etcd, kernel, e2e, install
//   npm test -- test/unit/net test/etcd/x.test.ts   these files and directories, in the way of their tier
// A run in which no test was executed has failed, and so has a file without a test.

import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readCounts, readFailures } from "./tap-report.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const REPORT = join(ROOT, "dist/.test-report.tap");

/**
 * How each tier's files are run, and the time that a file may take. The kernel's facts are tried in a network
 * namespace of each file's own; the end-to-end tests have the machine to themselves.
 */
const TIERS = {
  unit: { launcher: [], options: [], seconds: 300, each: false },
  native: { launcher: [], options: [], seconds: 300, each: false },
  etcd: { launcher: [], options: [], seconds: 300, each: false },
  kernel: { launcher: ["unshare", "-n"], options: [], seconds: 300, each: true },
  e2e: { launcher: [], options: ["--test-concurrency=1"], seconds: 900, each: false },
  install: { launcher: [], options: ["--test-concurrency=1"], seconds: 1500, each: false },
};
const TIER_NAMES = ["check", ...Object.keys(TIERS)];

/** Whatever has no tier of its own needs nothing but Node: it is a unit test. */
function tierOf(file) {
  const directory = file.split("/")[1];
  return directory in TIERS ? directory : "unit";
}

/** Listed from the sources: a compiled test may be left over from one that was removed. */
function listTests(directory = "test") {
  return readdirSync(join(ROOT, directory), { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() ? listTests(path) : path.endsWith(".test.ts") ? [path] : [];
    })
    .sort();
}

/** Tests as a person names them: a source or compiled file, or a directory of them, from wherever they are. */
function testsOf(argument) {
  const path = relative(ROOT, resolve(argument))
    .replace(/^dist\//, "")
    .replace(/\.js$/, ".ts");
  const tests = listTests().filter((test) => test === path || test.startsWith(`${path}/`));
  if (tests.length === 0) throw new Error(`${argument} is not a test and holds none`);
  return tests;
}

/** What to run: `files` by tier, and whether lint and types are checked first. */
function choose(argv) {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { tier: { type: "string", multiple: true } },
  });
  const unknown = (values.tier ?? []).find((name) => !TIER_NAMES.includes(name));
  if (unknown !== undefined) throw new Error(`there is no tier ${unknown}; the tiers are ${TIER_NAMES.join(", ")}`);
  const tiers = new Set(values.tier ?? TIER_NAMES);
  const files = positionals.length > 0 ? [...new Set(positionals.flatMap(testsOf))] : listTests();
  return {
    check: tiers.has("check") && positionals.length === 0,
    batches: Object.keys(TIERS)
      .filter((tier) => tiers.has(tier))
      .flatMap((tier) =>
        batchesOf(
          tier,
          files.filter((file) => tierOf(file) === tier),
        ),
      ),
  };
}

function batchesOf(tier, files) {
  if (files.length === 0) return [];
  return TIERS[tier].each ? files.map((file) => ({ tier, files: [file] })) : [{ tier, files }];
}

function execute([command, ...args]) {
  return new Promise((done) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", (error) => {
      console.error(`cannot run ${command}: ${error.message}`);
      done(false);
    });
    child.on("close", (status) => done(status === 0));
  });
}

/** Runs one batch for a person to read, and has node:test count it in a second report. */
async function runBatch({ tier, files }) {
  const { launcher, options, seconds } = TIERS[tier];
  rmSync(REPORT, { force: true });
  const ok = await execute([
    ...launcher,
    process.execPath,
    "--test",
    ...options,
    `--test-timeout=${seconds * 1000}`,
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=tap",
    `--test-reporter-destination=${REPORT}`,
    ...files.map((file) => join("dist", file.replace(/\.ts$/, ".js"))),
  ]);
  const tap = existsSync(REPORT) ? readFileSync(REPORT, "utf8") : "";
  rmSync(REPORT, { force: true });
  const counts = readCounts(tap) ?? { passed: 0, failed: 1, skipped: 0, empty: [] };
  for (const file of counts.empty) console.error(`${file} holds no test`);
  return { ...counts, failed: Math.max(counts.failed, ok ? 0 : 1), failures: readFailures(tap) };
}

/** Once more at the end: what was printed when they failed may be an hour up. */
function tellFailures(failures) {
  if (failures.length > 0) console.log("\n==> failed");
  for (const { name, where, error } of failures) {
    console.log(`✖ ${name}\n  ${where}\n${error.replaceAll(/^/gm, "    ")}`);
  }
}

async function main() {
  const { check, batches } = choose(process.argv.slice(2));
  const total = { passed: 0, failed: 0, skipped: 0 };
  if (check && !(await execute(["npm", "run", "--silent", "check"]))) {
    console.error("the lint or the type check failed");
    total.failed += 1;
  }
  const failures = [];
  let heading = "check";
  for (const batch of batches) {
    if (batch.tier !== heading) console.log(`\n==> ${batch.tier}`);
    heading = batch.tier;
    const outcome = await runBatch(batch);
    for (const name of Object.keys(total)) total[name] += outcome[name];
    failures.push(...outcome.failures);
  }
  const untested = heading !== "check" || !check ? total.passed + total.failed === 0 : false;
  if (untested) console.error("no test was executed");
  tellFailures(failures);
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  process.exitCode = total.failed > 0 || untested ? 1 : 0;
}

main().catch((error) => {
  console.error(`test: ${error.message}`);
  process.exitCode = 1;
});
