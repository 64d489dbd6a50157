// Kernel tests change network state, so they run in a network namespace that was made for them (unshare -n) and refuse
// to run where somebody's network is.

import { execFileSync } from "node:child_process";

/** Why kernel tests cannot run here, for node:test's `skip`; false when they can. */
export function whyNotHere(): string | false {
  // Of the machine's own namespace nothing can be learnt for sure: /proc/1/ns/net need not be readable. But a namespace
  // that was just made has nothing in it that is up and not the loopback interface.
  const inUse = ip("-o link show up")
    .split("\n")
    .map((line) => /^\d+: ([^:@]+)/.exec(line)?.[1])
    .filter((name) => name !== undefined && name !== "lo");
  if (inUse.length === 0) return false;
  return `this network namespace is in use (${inUse.join(", ")}); run the file with unshare -n`;
}

/** Runs `ip` with these words. Throws with its message when it fails. */
export function ip(words: string): string {
  return run("ip", words);
}

/** Runs `bridge` with these words. */
export function bridge(words: string): string {
  return run("bridge", words);
}

function run(command: string, words: string): string {
  return execFileSync(command, words.split(" "), { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
