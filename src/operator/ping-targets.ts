// Which peers a word means: a host's public IP, the id of a node or the beginning of it, a subnet, or any address in one.
// Pure.

import { type Ipv4, type Prefix4, parseIpv4, parsePrefix4, prefix4Contains } from "../base/ip.ts";
import { hasIpv4, hostIp, type Lease } from "../subnet/lease.ts";

export type Targets =
  | { readonly kind: "found"; readonly peers: readonly Lease[] }
  /** Why there is nothing to ping, as a sentence, and what there is, if anything. */
  | { readonly kind: "none"; readonly reason: string; readonly hint: string | null };

/** Shorter beginnings of a node id may mean anybody. */
const SHORTEST_ID = 4;

/** `word` null means all but this host itself, whose addresses are `own`. */
export function chooseTargets(leases: readonly Lease[], word: string | null, own: readonly string[]): Targets {
  const isSelf = ({ attrs, subnet }: Lease) =>
    own.includes(hostIp(attrs)) || own.includes(subnet.v4.slice(0, subnet.v4.indexOf("/")));
  if (word === null) {
    const peers = leases.filter((lease) => !isSelf(lease));
    if (peers.length > 0) return { kind: "found", peers };
    return { kind: "none", reason: "no other host has a lease in this network", hint: null };
  }
  const found = leases.filter((lease) => isMeant(lease, word));
  if (found.length > 0) return { kind: "found", peers: found };
  const reason = `no lease has the host, the node id or the subnet ${JSON.stringify(word)}`;
  return { kind: "none", reason, hint: "flanneld leases lists them" };
}

function isMeant({ subnet, attrs }: Lease, word: string): boolean {
  if (attrs.publicIp === word || attrs.publicIpv6 === word || subnet.v4 === word || subnet.v6 === word) return true;
  if (word.length >= SHORTEST_ID && attrs.nodeId?.startsWith(word)) return true;
  const within = orNull(() => parsePrefix4(word)) ?? orNull(() => parseIpv4(word));
  return within !== null && hasIpv4(subnet) && prefix4Contains(subnet.v4, within);
}

function orNull(parse: () => Ipv4 | Prefix4): Ipv4 | Prefix4 | null {
  try {
    return parse();
  } catch {
    return null;
  }
}
