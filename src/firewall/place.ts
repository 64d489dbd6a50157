// A place where rules can be: one family in one of the tools that the host may have. Reads it, and writes what differs.

import type { Family } from "../base/ip.ts";
import { ask, execute, isAbsent, outputOf, type ToolDeps, understood } from "./ask-tool.ts";
import { diffIptables } from "./iptables.ts";
import { diffNftables, formatNftables, NFT_FAMILY, nftTable } from "./nftables.ts";
import type { RuleSet } from "./rule.ts";
import type { IsOurs } from "./settle-chain.ts";

export type PlaceDeps = ToolDeps;

export interface Settled {
  /** Whether something differed. */
  readonly changed: boolean;
  /** A rule of somebody else's that leaves ours without packets. */
  readonly shadow: string | null;
}

export interface Place {
  /** Of a log line: "iptables", "iptables-legacy", "nft ip". */
  readonly name: string;
  readonly family: Family;
  /** Whether the kernel says when rules there change. */
  readonly announced: boolean;
  /** Makes the rules there what they shall be; null when the tool is missing. Throws `firewall.failed`. */
  settle(want: RuleSet, isOurs: IsOurs, signal: AbortSignal): Promise<Settled | null>;
}

/** The programs of a family: those that the host means by its plain name, or one of the two kinds that there are. */
export type IptablesKind = "" | "-nft" | "-legacy";

const PREFIX: Readonly<Record<Family, string>> = { ipv4: "iptables", ipv6: "ip6tables" };

/** How long iptables-restore waits for the lock that all of its kind share, in seconds. */
const LOCK_SECONDS = "5";

export interface IptablesFeatures {
  /** "nf_tables" or "legacy". */
  readonly kind: "nft" | "legacy";
  /** iptables: since 1.6.2 iptables-restore can wait for the lock, and MASQUERADE can choose ports fully at random. */
  readonly recent: boolean;
}

/** Null when there is no iptables-restore. Throws `firewall.failed`. */
export async function probeIptables(
  family: Family,
  kind: IptablesKind,
  deps: PlaceDeps,
  signal: AbortSignal,
): Promise<IptablesFeatures | null> {
  const text = await ask([`${PREFIX[family]}${kind}-restore`, "--version"], "", deps, signal);
  return text === null ? null : parseVersion(text);
}

/** "iptables-restore v1.8.9 (nf_tables)"; before 1.8 without the kind, which was legacy. */
export function parseVersion(text: string): IptablesFeatures {
  const [, major = 0, minor = 0, patch = 0] = (/v(\d+)\.(\d+)(?:\.(\d+))?/.exec(text) ?? []).map(Number);
  return {
    kind: text.includes("nf_tables") ? "nft" : "legacy",
    recent: (major - 1) * 1_000_000 + (minor - 6) * 1000 + patch >= 2,
  };
}

export function iptablesPlace(family: Family, kind: IptablesKind, features: IptablesFeatures, deps: PlaceDeps): Place {
  const name = `${PREFIX[family]}${kind}`;
  const wait = features.recent ? ["--wait", LOCK_SECONDS] : [];
  return {
    name,
    family,
    announced: features.kind === "nft",
    async settle(want, isOurs, signal) {
      const saved = await ask([`${name}-save`], "", deps, signal);
      if (saved === null) return null;
      const { script, shadow } = diffIptables(saved, want, isOurs);
      if (script === "") return { changed: false, shadow };
      const done = await ask([`${name}-restore`, "--noflush", ...wait], script, deps, signal);
      return done === null ? null : { changed: true, shadow };
    },
  };
}

export function nftPlace(family: Family, deps: PlaceDeps): Place {
  const name = NFT_FAMILY[family];
  return {
    name: `nft ${name}`,
    family,
    announced: true,
    async settle(want, isOurs, signal) {
      const listed = await execute(["nft", "-j", "list", "table", name, nftTable(family)], "", deps, signal);
      if (listed.kind === "missing") return null;
      const text = isAbsent(listed) ? null : outputOf("nft", listed);
      const script = understood("nft", () => diffNftables(text, family, want, isOurs));
      if (script === "") return { changed: false, shadow: null };
      const done = await ask(["nft", "-f", "-"], script, deps, signal);
      return done === null ? null : { changed: true, shadow: null };
    },
  };
}

/**
 * Whether these rules are accepted, found out by a dry run in the kernel: false when they are refused or nft is missing.
 * Kernel: not every one can choose masquerade ports fully at random.
 */
export async function nftAccepts(
  family: Family,
  rules: RuleSet,
  deps: PlaceDeps,
  signal: AbortSignal,
): Promise<boolean> {
  const result = await execute(["nft", "--check", "-f", "-"], formatNftables(family, rules), deps, signal);
  return result.kind === "ended" && result.status === 0;
}
