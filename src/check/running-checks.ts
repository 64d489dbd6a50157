// The checks of `flanneld check` that a running daemon makes of its host by itself: what somebody else decides there and
// nothing tells us of, and what can be looked at without etcd and without a packet. Only what is certain counts: a
// warning is for a person who is looking anyway.

import type { Remedy } from "../base/remedy.ts";
import type { HostFacts } from "./facts.ts";
import type { Finding } from "./finding.ts";
import { checkForwardRules, checkInputRules } from "./firewall-checks.ts";
import { checkInterface, checkReversePath } from "./interface-checks.ts";

const RUNNING_CHECKS = {
  interface: checkInterface,
  "forward-rules": checkForwardRules,
  "input-rules": checkInputRules,
  "rp-filter": checkReversePath,
} satisfies Readonly<Record<string, (facts: HostFacts) => Finding>>;

/** The names of `flanneld check`. */
export type HostTopic = keyof typeof RUNNING_CHECKS;

export type HostTrouble = Pick<Finding, "sentence" | keyof Remedy>;

export interface HostJudgement {
  /** What fails. */
  readonly troubles: ReadonlyMap<HostTopic, HostTrouble>;
  /** What could not be looked at: it says neither that something is wrong nor that it no longer is. */
  readonly unknown: ReadonlySet<HostTopic>;
}

export function judgeHost(facts: HostFacts): HostJudgement {
  const found = Object.entries(RUNNING_CHECKS).map(([name, judge]) => [name as HostTopic, judge(facts)] as const);
  // Without the links it is not known by which devices the overlay's packets pass: what is not seen to fail may.
  const isUnknown = ({ verdict }: Finding) => verdict === "skip" || (verdict !== "fail" && !facts.links.known);
  return {
    troubles: new Map(found.filter(([, { verdict }]) => verdict === "fail")),
    unknown: new Set(found.filter(([, finding]) => isUnknown(finding)).map(([topic]) => topic)),
  };
}
