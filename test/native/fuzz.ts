// The fuzzers of the native data path: what they are made of and how they are called.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seedsOf } from "./fuzz-seeds.ts";
import { compileProgram, FUZZER, ROOT, SUPPORT } from "./program.ts";

/** A file in test/native/fuzz each. */
export const TARGETS = ["tun", "peer"] as const;
export type Target = (typeof TARGETS)[number];

const WRAPPED = ["read", "writev", "recvmmsg", "sendmmsg", "sendmsg", "sendto"];

export async function compileFuzzer(directory: string, target: Target): Promise<string> {
  const sources = [...SUPPORT, "test/native/fuzz/kernel.c", `test/native/fuzz/${target}.c`];
  return await compileProgram(directory, FUZZER, sources, WRAPPED);
}

/** Where an input that leads to a failure is kept. */
export function findingsOf(target: Target): string {
  return join(ROOT, "build/fuzz", target);
}

/** The call that fuzzes for that long, from the seeds and from what the corpus has already. */
export function fuzzCommand(program: string, target: Target, corpus: string, seconds: number): readonly string[] {
  mkdirSync(corpus, { recursive: true });
  mkdirSync(findingsOf(target), { recursive: true });
  for (const [index, seed] of seedsOf(target).entries()) writeFileSync(join(corpus, `seed-${index}`), seed);
  const limits = [`-max_total_time=${seconds}`, "-max_len=16384", "-timeout=20", "-rss_limit_mb=2048"];
  return [program, ...limits, `-artifact_prefix=${findingsOf(target)}/`, corpus];
}
