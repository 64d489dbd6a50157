// Rules that are wanted in a real kernel, and how the programs of the host are called in tests of them.

import { execFileSync } from "node:child_process";
import { planRules } from "../../src/firewall/wanted-rules.ts";
import { BOTH, DUAL_STACK, rulesOf, SUBNET } from "./firewall.ts";

export const WANT = rulesOf(BOTH);
export const WANT6 = planRules("ipv6", DUAL_STACK, SUBNET, BOTH, true);
export const UNCHANGED = { changed: false, shadow: null };
export const CHANGED = { changed: true, shadow: null };

export function sh(line: string): string {
  return execFileSync("sh", ["-c", line], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
