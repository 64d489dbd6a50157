// Which peers a word means: a host's public IP, the id of a node or the beginning of it, a subnet, or any address in one.
// Pure.

import { type Ipv4, type Prefix4, parseIpv4, parsePrefix4, prefix4Contains } from "../base/ip.ts";
import { type Ipv6, type Prefix6, parseIpv6, parsePrefix6, prefix6Contains } from "../base/ipv6.ts";
import { hasIpv4, type Lease } from "../subnet/lease.ts";

export type Targets =
  /** `self`: this host's own record, if it has one. No peers only where nobody was named. */
  | { readonly kind: "found"; readonly peers: readonly Lease[]; readonly self: Lease | null }
  /** The word means this host, which is nobody's peer. */
  | { readonly kind: "self" }
  /** Why there is nothing to ping, as a sentence. */
  | { readonly kind: "none"; readonly reason: string };

/** Shorter beginnings of a node id may mean anybody. */
const SHORTEST_ID = 4;

/** `word` null means all but this host itself, whose addresses are `own`. */
export function chooseTargets(leases: readonly Lease[], word: string | null, own: readonly string[]): Targets {
  const others = leases.filter((lease) => !isSelf(lease, own));
  const mine = leases.filter((lease) => isSelf(lease, own));
  // Of several one is in force: the other is what the host had before.
  const self = mine.find((lease) => hasAddressIn(lease, own)) ?? mine[0] ?? null;
  if (word === null) return { kind: "found", peers: others, self };
  const meant = parseWord(word);
  const found = others.filter((lease) => isMeant(lease, meant));
  if (found.length > 0) return { kind: "found", peers: found, self };
  if (own.includes(meant.text) || leases.some((lease) => isMeant(lease, meant))) return { kind: "self" };
  const reason = `no lease has the host, the node id or the subnet ${JSON.stringify(word)}`;
  return { kind: "none", reason };
}

function isSelf(lease: Lease, own: readonly string[]): boolean {
  const { publicIp, publicIpv6 } = lease.attrs;
  return hasAddressIn(lease, own) || [publicIp, publicIpv6].some((ip) => ip !== null && own.includes(ip));
}

/** The first address of a subnet is that of the overlay's device. */
function hasAddressIn({ subnet }: Lease, own: readonly string[]): boolean {
  return [subnet.v4, subnet.v6].some((prefix) => prefix !== null && own.includes(prefix.split("/")[0] ?? ""));
}

interface Word {
  /** Of an address or a subnet of IPv6 the one way to write it. */
  readonly text: string;
  readonly v4: Ipv4 | Prefix4 | null;
  readonly v6: Ipv6 | Prefix6 | null;
}

function parseWord(word: string): Word {
  const v4 = orNull(() => parsePrefix4(word)) ?? orNull(() => parseIpv4(word));
  const v6 = orNull(() => parsePrefix6(word)) ?? orNull(() => parseIpv6(word));
  return { text: v6 ?? word, v4, v6 };
}

function isMeant({ subnet, attrs }: Lease, { text, v4, v6 }: Word): boolean {
  if (attrs.publicIp === text || attrs.publicIpv6 === text || subnet.v4 === text || subnet.v6 === text) return true;
  if (text.length >= SHORTEST_ID && attrs.nodeId?.startsWith(text)) return true;
  if (v4 !== null && hasIpv4(subnet)) return prefix4Contains(subnet.v4, v4);
  return v6 !== null && subnet.v6 !== null && prefix6Contains(subnet.v6, v6);
}

function orNull<T>(parse: () => T): T | null {
  try {
    return parse();
  } catch {
    return null;
  }
}
