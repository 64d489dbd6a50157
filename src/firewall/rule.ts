// Firewall rules as data: what iptables and nftables are told and what they answer, without the words of either.

import type { Family, Prefix } from "../base/ip.ts";

export interface AddressMatch {
  readonly prefix: Prefix;
  /** Everything but the prefix. */
  readonly negated: boolean;
}

/** `masquerade-random`: with ports chosen fully at random, so that two new connections rarely want the same one. */
export type Verdict = "accept" | "return" | "masquerade" | "masquerade-random";

export interface Rule {
  /** Packets that have all these bits of the mark set. */
  readonly mark: number | null;
  readonly source: AddressMatch | null;
  readonly destination: AddressMatch | null;
  readonly verdict: Verdict;
}

/** A rule as it was found. */
export interface PresentRule {
  /** Null for one that says what a Rule cannot. */
  readonly rule: Rule | null;
  /** Every network that it names, multicast left out. */
  readonly prefixes: readonly Prefix[];
  /** How it is written to have it again; null when that is not known. */
  readonly text: string | null;
}

/** What one family's rules are to be. An empty list: none. */
export interface RuleSet {
  readonly masquerade: readonly Rule[];
  readonly forward: readonly Rule[];
}

export const NO_RULES: RuleSet = { masquerade: [], forward: [] };

/** Every multicast address: nobody would answer to a masqueraded one. */
export const MULTICAST: Readonly<Record<Family, Prefix>> = {
  ipv4: "224.0.0.0/4" as Prefix,
  ipv6: "ff00::/8" as Prefix,
};

export function sameRule(a: Rule, b: Rule): boolean {
  return (
    a.mark === b.mark &&
    a.verdict === b.verdict &&
    sameMatch(a.source, b.source) &&
    sameMatch(a.destination, b.destination)
  );
}

function sameMatch(a: AddressMatch | null, b: AddressMatch | null): boolean {
  return a === b || (a !== null && b !== null && a.prefix === b.prefix && a.negated === b.negated);
}

/** The networks that the matches name, multicast left out. */
export function namedPrefixes(matches: readonly (AddressMatch | null)[]): readonly Prefix[] {
  const multicast: readonly Prefix[] = Object.values(MULTICAST);
  return matches.flatMap((match) => (match === null || multicast.includes(match.prefix) ? [] : [match.prefix]));
}
