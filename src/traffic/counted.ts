// What is counted, and where: a table of ours in nftables with a named set for each direction, family and length of
// subnets. An element is a peer's subnet and has a counter. Pure.

import { createHash } from "node:crypto";
import { type Family, familyOf, ipv4FromNumber, type Prefix, prefixLength } from "../base/ip.ts";
import { ipv6FromNumber } from "../base/ipv6.ts";

/** Seen from this host. The names of the chains, too. */
export const DIRECTIONS = ["received", "sent"] as const;
export type Direction = (typeof DIRECTIONS)[number];

export interface Counted {
  /** By which packets to peers leave, and theirs come. */
  readonly devices: readonly string[];
  /** Of the peers; no two overlap. */
  readonly subnets: readonly Prefix[];
  /** Invariant: I2, false means that what is counted already is counted on. */
  readonly complete: boolean;
}

/** The name of a set says what is in it: "received-ipv4-24". */
export type SetName = string;

export interface SetFacts {
  readonly direction: Direction;
  readonly family: Family;
  /** Of the subnets. */
  readonly length: number;
}

export function setName(direction: Direction, subnet: Prefix): SetName {
  return `${direction}-${familyOf(subnet)}-${prefixLength(subnet)}`;
}

/** Null for a name that is none of ours. */
export function parseSetName(name: string): SetFacts | null {
  const [, direction, family, length] = /^(received|sent)-(ipv4|ipv6)-(\d{1,3})$/.exec(name) ?? [];
  if (!direction || !family) return null;
  return { direction: direction as Direction, family: family as Family, length: Number(length) };
}

/** "255.255.255.0" */
export function maskOf({ family, length }: Pick<SetFacts, "family" | "length">): string {
  const bits = family === "ipv4" ? 32 : 128;
  const mask = ((1n << BigInt(length)) - 1n) << BigInt(bits - length);
  return family === "ipv4" ? ipv4FromNumber(Number(mask)) : ipv6FromNumber(mask);
}

const TABLE = "flannel-traffic";
/** nft: of these characters a name may be without quotes. */
const PLAIN = /^[A-Za-z0-9/_.-]{1,100}$/;

/** Every network of the host has its own: "flannel-traffic/coreos.com/network". Of a prefix that nft cannot spell a digest. */
export function trafficTable(prefix: string): string {
  const name = prefix.replace(/^\/+|\/+$/g, "");
  if (PLAIN.test(name)) return `${TABLE}/${name}`;
  return `${TABLE}/${createHash("sha256").update(prefix).digest("hex").slice(0, 16)}`;
}
