// One chain of ours: what is in it against what shall be. Several daemons, for networks of their own, share a host's
// chains, so a rule is ours by the networks that it names, and what names another network only is left as it is.

import type { Prefix } from "../base/ip.ts";
import { type PresentRule, type Rule, sameRule } from "./rule.ts";

/** Whether a network is ours, now or before. */
export type IsOurs = (prefix: Prefix) => boolean;

export type ChainChange =
  | { readonly kind: "none" }
  /** Only these rules, in this order: texts of rules that stay, and new ones. */
  | { readonly kind: "set"; readonly rules: readonly (Rule | string)[] }
  | { readonly kind: "remove" };

export const NO_CHANGE: ChainChange = { kind: "none" };

/** `present` is null when there is no such chain. */
export function settleChain(
  want: readonly Rule[],
  present: readonly PresentRule[] | null,
  isOurs: IsOurs,
): ChainChange {
  const rules = present ?? [];
  const others = rules.filter(({ prefixes }) => prefixes.length > 0 && !prefixes.some(isOurs));
  // A rule without a network, such as the one about kube-proxy's mark, serves everybody who has rules here.
  const shared = rules.filter(({ prefixes }) => prefixes.length === 0);
  if (want.length === 0 && others.length === 0) return present === null ? NO_CHANGE : { kind: "remove" };
  const kept = want.length > 0 ? others : rules.filter((one) => shared.includes(one) || others.includes(one));
  const ours = rules.filter((one) => !kept.includes(one));
  if (isExactly(ours, want)) return NO_CHANGE;
  return { kind: "set", rules: [...want, ...kept.flatMap(({ text }) => (text === null ? [] : [text]))] };
}

function isExactly(present: readonly PresentRule[], want: readonly Rule[]): boolean {
  if (present.length !== want.length) return false;
  return want.every((wanted, index) => {
    const rule = present[index]?.rule;
    return rule !== null && rule !== undefined && sameRule(rule, wanted);
  });
}
