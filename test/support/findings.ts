// What a check finds on a host on which all is well but for what a test changes of it.

import assert from "node:assert/strict";
import type { Remedy } from "../../src/base/remedy.ts";
import { runChecks } from "../../src/check/checks.ts";
import type { Facts } from "../../src/check/facts.ts";
import type { CheckVerdict } from "../../src/check/finding.ts";
import { wellFacts } from "./well-facts.ts";

/** What is changed about a host on which all is well, and what the check of this name then says. */
type Case = readonly [name: string, verdict: CheckVerdict, sentence: RegExp, change: Partial<Facts>];

export function finding(name: string, change: Partial<Facts>) {
  const found = runChecks(wellFacts(change)).find((one) => one.name === name);
  assert.ok(found, name);
  return found;
}

export function expectAll(cases: readonly Case[]): void {
  for (const [name, verdict, sentence, change] of cases) {
    const found = finding(name, change);
    assert.match(found.sentence, sentence, name);
    assert.equal(found.verdict, verdict, found.sentence);
    assert.equal(found.remedy !== null, verdict === "warn" || verdict === "fail", found.sentence);
    assert.ok(!found.sentence.includes("\n"), found.sentence);
    expectCommand(found);
  }
}

const TOOL = /^(etcdctl|firewall-cmd|flanneld|ip|ip6?tables(-\w+)?|kill|modprobe|nft|sysctl|systemctl|timedatectl) /;

/** A remedy is a command from its first word to its last, or begins as what is said to a person. */
function expectCommand({ remedy, command }: Remedy): void {
  if (remedy === null) return;
  const isCommand = remedy.split("; ").every((part) => TOOL.test(part));
  assert.equal(command, isCommand ? remedy : null, remedy);
  assert.doesNotMatch(command ?? "", /, then|, or | if |NETWORK|GATEWAY|SUBNET/, remedy);
}
