// C programs that test the native code: compiled with sanitizers, their cases reported as tests of their own.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { attempt, run } from "../../lab/run.ts";
import { minutes } from "../../src/base/brand.ts";

/** This file runs from dist/test/native. */
export const ROOT = resolve(import.meta.dirname, "../../..");
const TESTED = "src/native/udp";
const TESTS = "test/native";

/** How a program is compiled: by what, and watched by which sanitizers. */
export interface Toolchain {
  readonly compiler: string;
  readonly flags: readonly string[];
}

const CHECKED = ["-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];
export const MEMORY: Toolchain = { compiler: "cc", flags: ["-fsanitize=address,undefined", ...CHECKED] };
export const THREADS: Toolchain = { compiler: "cc", flags: ["-fsanitize=thread", ...CHECKED] };
export const FUZZER: Toolchain = { compiler: "clang", flags: ["-fsanitize=fuzzer,address,undefined", ...CHECKED] };

const WARNINGS = ["-Wall", "-Wextra", "-Werror"];
const COMMON = ["-std=gnu11", "-O1", "-g", "-pthread", "-D_GNU_SOURCE", `-I${join(ROOT, TESTED)}`];

/** Every sanitizer ends the program when it has found something. */
const ENVIRONMENT = {
  ASAN_OPTIONS: "detect_leaks=1:abort_on_error=0",
  UBSAN_OPTIONS: "print_stacktrace=1",
  TSAN_OPTIONS: "halt_on_error=1",
};

const { signal } = new AbortController();

/** A directory that goes with this process, however that ends short of SIGKILL. */
export function openDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "flanneld-native-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.once(name, () => process.exit(1));
  return directory;
}

/** The C files of a directory below the root, as paths from there. */
export function sourcesIn(directory: string): readonly string[] {
  return readdirSync(join(ROOT, directory))
    .filter((name) => name.endsWith(".c"))
    .map((name) => join(directory, name));
}

/** What a program without Node can be made of: not the binding. */
function isFreeOfNode(source: string): boolean {
  return !/^#include .*(node_api|binding)\.h[>"]$/m.test(readFileSync(join(ROOT, source), "utf8"));
}

/** Lets the program call __wrap_<name> in place of these functions. */
function wrapping(calls: readonly string[]): readonly string[] {
  return calls.map((call) => `-Wl,--wrap=${call}`);
}

/** Compiles the data path and the files beside it into a program; answers its path. */
export async function compileProgram(
  directory: string,
  { compiler, flags }: Toolchain,
  sources: readonly string[],
  wrapped: readonly string[],
): Promise<string> {
  const objects = mkdtempSync(join(directory, "program-"));
  const jobs = [...sourcesIn(TESTED).filter(isFreeOfNode), ...sources].map((source, index) => ({
    source: join(ROOT, source),
    object: join(objects, `${index}.o`),
  }));
  const waiting = [...jobs];
  const compileSome = async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      const options = [...flags, ...WARNINGS, ...COMMON, "-c", "-o", job.object];
      await run([compiler, ...options, job.source], { limit: minutes(2) }, signal);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, compileSome));
  const program = join(objects, "program");
  const inputs = jobs.map(({ object }) => object);
  await run([compiler, ...flags, "-pthread", ...wrapping(wrapped), "-o", program, ...inputs], {}, signal);
  return program;
}

/** The parts that every test program has, and those of a program of cases. */
export const SUPPORT = [join(TESTS, "check.c"), join(TESTS, "packets.c")];
export const CASES = [...SUPPORT, join(TESTS, "cases.c"), join(TESTS, "faults.c")];

/** System calls that a test lets fail (faults.c). */
export const FAULTS = ["sendmmsg", "sendmsg", "read", "recvmmsg", "writev", "poll", "setsockopt", "getsockopt"];

/** Reports every case of the program as a test; `about` goes before the name of its suite. */
export async function reportCases(program: readonly string[], about: string): Promise<void> {
  const { stdout } = await run([...program, "--list"], { env: ENVIRONMENT }, signal);
  const suites = new Map<string, string[]>();
  for (const line of stdout.trimEnd().split("\n")) {
    const [suite = "", sentence = ""] = line.split("\t");
    suites.set(suite, [...(suites.get(suite) ?? []), sentence]);
  }
  for (const [suite, sentences] of suites) {
    describe(`${suite}${about}`, () => {
      for (const sentence of sentences) {
        it(sentence, async () => {
          const options = { env: ENVIRONMENT, limit: minutes(2) };
          const { status, stderr } = await attempt([...program, suite, sentence], options, signal);
          // What a sanitizer has found comes first in what it says.
          if (status !== 0) assert.fail(`exit status ${status}\n${stderr.slice(0, 5000)}`);
        });
      }
    });
  }
}

/** Kernel: ThreadSanitizer's memory layout does not go with every degree of address randomization. */
export async function launcherOf(program: string): Promise<readonly string[] | null> {
  for (const launcher of [[], ["setarch", "-R"]]) {
    const command = [...launcher, program];
    const { status } = await attempt([...command, "--list"], { env: ENVIRONMENT }, signal);
    if (status === 0) return command;
  }
  return null;
}
