// npm run fuzz: the fuzzers for as long as one likes. The corpus and what is found stay below build/fuzz.
//   npm run fuzz                            every target for ten minutes
//   npm run fuzz -- tun --seconds 3600      one target, for an hour
// To run one input again: the program that the last line names, with the input's path.

import { spawnSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compileFuzzer, findingsOf, fuzzCommand, TARGETS, type Target } from "./fuzz.ts";
import { openDirectory } from "./program.ts";

function choose(): { readonly targets: readonly Target[]; readonly seconds: number } {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { seconds: { type: "string" } } });
  const unknown = positionals.find((name) => !TARGETS.some((target) => target === name));
  if (unknown !== undefined) throw new Error(`there is no target ${unknown}; the targets are ${TARGETS.join(", ")}`);
  const seconds = Number(values.seconds ?? 600);
  if (!(Number.isInteger(seconds) && seconds > 0)) throw new Error("--seconds must be a whole number above 0");
  return { targets: TARGETS.filter((target) => positionals.length === 0 || positionals.includes(target)), seconds };
}

async function fuzz(target: Target, seconds: number): Promise<boolean> {
  const compiled = await compileFuzzer(openDirectory(), target);
  const [, ...options] = fuzzCommand(compiled, target, join(findingsOf(target), "corpus"), seconds);
  const program = join(findingsOf(target), "program");
  copyFileSync(compiled, program);
  process.stdout.write(`==> ${target}\n`);
  const { status } = spawnSync(program, options, { stdio: "inherit" });
  process.stdout.write(`${target}: ${status === 0 ? "nothing found" : "failed"}; the program is ${program}\n`);
  return status === 0;
}

try {
  const { targets, seconds } = choose();
  for (const target of targets) if (!(await fuzz(target, seconds))) process.exitCode = 1;
} catch (error) {
  process.stderr.write(`fuzz: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
