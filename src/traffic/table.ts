// The JSON of `nft -j list table` -> what is in our table. Pure.

import { type Prefix, parseIpv4, prefix4 } from "../base/ip.ts";
import { parseIpv6, prefix6 } from "../base/ipv6.ts";
import type { Json } from "../base/json.ts";
import type { Traffic } from "../status/snapshot.ts";
import { DIRECTIONS, type Direction, parseSetName, type SetFacts, type SetName } from "./counted.ts";

/** What can differ from what it should be. */
export interface PresentTable {
  readonly sets: ReadonlyMap<SetName, ReadonlySet<Prefix>>;
  /** What each rule says of itself, in order. */
  readonly rules: Readonly<Record<Direction, readonly string[]>>;
}

export type TrafficBySubnet = ReadonlyMap<Prefix, Traffic>;

export interface ListedTable extends PresentTable {
  readonly traffic: TrafficBySubnet;
  /** False when an element has no counter, which no kernel gives that knows how. */
  readonly isCounting: boolean;
}

export interface ChainFacts {
  readonly hook: "prerouting" | "postrouting";
  readonly priority: number;
  /** What it matches. */
  readonly device: "iifname" | "oifname";
  readonly field: "saddr" | "daddr";
}

/**
 * What was received is counted before anybody translates or drops it, and what is sent after: there the addresses are
 * those of the pods. Kernel: every packet passes each of the two hooks once, one of the overlay apart from that around it.
 */
export const CHAINS: Readonly<Record<Direction, ChainFacts>> = {
  received: { hook: "prerouting", priority: -300, device: "iifname", field: "saddr" },
  sent: { hook: "postrouting", priority: 300, device: "oifname", field: "daddr" },
};

type JsonRecord = { readonly [key: string]: Json };

interface Found {
  readonly sets: Map<SetName, Set<Prefix>>;
  readonly rules: Record<Direction, string[]>;
  readonly chains: Set<Direction>;
  readonly traffic: Map<Prefix, Traffic>;
  isCounting: boolean;
  isStrange: boolean;
}

/** Null when it holds something that we never make, or lacks what we always do. */
export function parseTable(text: string): ListedTable | null {
  const { nftables } = JSON.parse(text) as { readonly nftables?: Json };
  const found: Found = {
    sets: new Map(),
    rules: { received: [], sent: [] },
    chains: new Set(),
    traffic: new Map(),
    isCounting: true,
    isStrange: false,
  };
  for (const item of Array.isArray(nftables) ? nftables : []) {
    const [kind = "", value] = Object.entries(recordOf(item))[0] ?? [];
    readItem(kind, recordOf(value), found);
  }
  const { chains, isStrange, ...listed } = found;
  return isStrange || chains.size < DIRECTIONS.length ? null : listed;
}

function readItem(kind: string, body: JsonRecord, found: Found): void {
  if (kind === "chain") readChain(body, found);
  else if (kind === "rule") readRule(body, found);
  else if (kind === "set") readSet(body, found);
  else if (kind === "table") found.isStrange ||= String(body["flags"]).includes("dormant");
  else if (kind !== "metainfo") found.isStrange = true;
}

function directionOf(name: Json | undefined): Direction | null {
  return DIRECTIONS.find((direction) => direction === name) ?? null;
}

function readChain(body: JsonRecord, found: Found): void {
  const direction = directionOf(body["name"]);
  const { hook, priority } = CHAINS[direction ?? "sent"];
  const isSame = body["type"] === "filter" && body["hook"] === hook && body["prio"] === priority;
  if (direction && isSame && body["policy"] === "accept") found.chains.add(direction);
  else found.isStrange = true;
}

function readRule(body: JsonRecord, found: Found): void {
  const direction = directionOf(body["chain"]);
  if (direction) found.rules[direction].push(String(body["comment"] ?? ""));
}

function readSet(body: JsonRecord, found: Found): void {
  const name = String(body["name"]);
  const facts = parseSetName(name);
  if (!facts || body["type"] !== `${facts.family}_addr`) {
    found.isStrange = true;
    return;
  }
  const subnets = new Set<Prefix>();
  for (const element of Array.isArray(body["elem"]) ? body["elem"] : []) {
    const { val, counter } = recordOf(recordOf(element)["elem"]);
    const address = typeof element === "string" ? element : val;
    if (typeof address !== "string") found.isStrange = true;
    else subnets.add(readElement(address, facts, recordOf(counter), found));
  }
  found.sets.set(name, subnets);
}

/** nft: what has no counter stands there as its address alone. */
function readElement(
  address: string,
  { direction, family, length }: SetFacts,
  counter: JsonRecord,
  found: Found,
): Prefix {
  const subnet = family === "ipv4" ? prefix4(parseIpv4(address), length) : prefix6(parseIpv6(address), length);
  const { packets, bytes } = counter;
  if (typeof packets !== "number" || typeof bytes !== "number") found.isCounting = false;
  else found.traffic.set(subnet, withCount(found.traffic.get(subnet), direction, packets, bytes));
  return subnet;
}

const NOTHING: Traffic = { receivedBytes: 0, receivedPackets: 0, sentBytes: 0, sentPackets: 0 };

function withCount(known: Traffic = NOTHING, direction: Direction, packets: number, bytes: number): Traffic {
  switch (direction) {
    case "received":
      return { ...known, receivedBytes: bytes, receivedPackets: packets };
    case "sent":
      return { ...known, sentBytes: bytes, sentPackets: packets };
  }
}

function recordOf(value: Json | undefined): JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonRecord) : {};
}
