// What `reserve` and `release` do with a subnet, given all records. Pure: it decides, and the commands act by
// compare-and-put on what it was decided on.
// A reservation is a record without an etcd lease: it does not expire, and the host with its public IP gets the subnet.

import { type Ipv4, type Prefix4, prefix4Contains } from "../base/ip.ts";
import { pasteCommand } from "../base/paste.ts";
import type { Lease, LeaseAttrs } from "../subnet/lease.ts";
import { shortKey } from "../subnet/lease-codec.ts";
import type { BadRecord, LeaseList } from "../subnet/lease-store.ts";
import type { ValidConfig } from "./check-config.ts";
import { misfit, overlap, spoiltSubnets } from "./fit.ts";

export interface Refusal {
  readonly kind: "refused";
  readonly reason: string;
  /** What would be accepted, if there is anything. */
  readonly hint: string | null;
}

export type ReserveDecision =
  /** Nobody has the subnet. */
  | { readonly kind: "create"; readonly attrs: LeaseAttrs }
  /** Its host keeps it for good. */
  | { readonly kind: "keep"; readonly lease: Lease }
  | { readonly kind: "reserved-already"; readonly lease: Lease }
  | { readonly kind: "needs-public-ip" }
  | Refusal;

export interface ReserveRequest {
  readonly subnet: Prefix4;
  /** Whose it shall be; null: of whoever has it. */
  readonly publicIp: Ipv4 | null;
  /** Flags of a command that asks the same etcd. */
  readonly asking: readonly string[];
}

export function decideReserve(
  { subnet, publicIp, asking }: ReserveRequest,
  list: LeaseList,
  { network }: ValidConfig,
): ReserveDecision {
  const { ipv4 } = network;
  if (ipv4 === null) return refused(`${subnet} cannot be reserved: the network has no IPv4`);
  const outside = misfit(ipv4, subnet);
  if (outside !== null) return refused(`${subnet} cannot be reserved: ${outside}`);
  const lease = leaseOf(list, subnet);
  if (lease) return keep(lease, publicIp);
  const inTheWay = overlap(list, subnet);
  if (inTheWay !== null) return refused(`${subnet} cannot be reserved: ${inTheWay}`);
  if (publicIp === null) return { kind: "needs-public-ip" };
  if (prefix4Contains(subnet, publicIp)) {
    return refused(`${subnet} cannot be reserved for ${publicIp}: that is an address of the subnet, and of no host`);
  }
  const other = list.leases.find(({ attrs }) => attrs.publicIp === publicIp);
  if (other) {
    const advice = `a host has one subnet: stop flanneld there and release that one first (${pasteCommand(`release ${other.subnet.v4} --now --force`, asking)})`;
    return refused(`the host ${publicIp} has ${other.subnet.v4} already`, advice);
  }
  // Compat: records of the udp backend have no type.
  const backendType = network.backend.type === "udp" ? "" : network.backend.type;
  return {
    kind: "create",
    attrs: {
      publicIp,
      publicIpv6: null,
      backendType,
      backendData: null,
      backendV6Data: null,
      // Not known yet: whoever has the public IP takes the record for its own.
      nodeId: null,
      challenger: null,
    },
  };
}

function keep(lease: Lease, publicIp: Ipv4 | null): ReserveDecision {
  const { attrs, subnet, term } = lease;
  const state = term.kind === "reserved" ? "reserved for" : "leased by";
  if (publicIp !== null && publicIp !== attrs.publicIp) {
    const advice = `release it first, or leave --public-ip=${publicIp} out to keep it there`;
    return refused(`${subnet.v4} is ${state} the host ${attrs.publicIp}`, advice);
  }
  return term.kind === "reserved" ? { kind: "reserved-already", lease } : { kind: "keep", lease };
}

export type ReleaseDecision =
  /** Back to a lease that its host renews, or that ends. */
  | { readonly kind: "lease"; readonly lease: Lease }
  | { readonly kind: "delete"; readonly lease: Lease }
  /** A record that is no lease; its whole key. */
  | { readonly kind: "delete-bad"; readonly key: string }
  /** Nothing has to be done: it is an ordinary lease, resp. there is no record. */
  | { readonly kind: "released-already"; readonly lease: Lease }
  | { readonly kind: "absent" }
  | Refusal;

/** A record's key is for those that name no subnet. */
export type ReleaseTarget =
  | { readonly kind: "subnet"; readonly subnet: Prefix4 }
  | { readonly kind: "key"; readonly key: string };

export interface ReleaseRequest {
  readonly target: ReleaseTarget;
  /** Delete the record rather than let it end. */
  readonly now: boolean;
  /** Also one that is no reservation. */
  readonly force: boolean;
}

export function decideRelease({ target, now, force }: ReleaseRequest, list: LeaseList): ReleaseDecision {
  const lease = target.kind === "subnet" ? leaseOf(list, target.subnet) : undefined;
  if (!lease) return decideBad(target, now && force, list);
  if (lease.term.kind === "reserved") return { kind: now ? "delete" : "lease", lease };
  if (force) return { kind: "delete", lease };
  if (!now) return { kind: "released-already", lease };
  const { subnet, attrs } = lease;
  const facts = `${subnet.v4} is not reserved but leased by the host ${attrs.publicIp}, and ends by itself 24 h after that host's last renewal`;
  return refused(facts, "--force deletes it now, and a flanneld that runs there leases a subnet anew");
}

export function nameOf(target: ReleaseTarget): string {
  return target.kind === "subnet" ? target.subnet : JSON.stringify(target.key);
}

/** The list has only the beginning of a very long key. */
function decideBad(target: ReleaseTarget, isWanted: boolean, list: LeaseList): ReleaseDecision {
  const name = nameOf(target);
  const isMeant = ({ key }: BadRecord) =>
    target.kind === "subnet" ? spoiltSubnets(key).includes(target.subnet) : key === shortKey(target.key);
  const bad = list.bad.find(isMeant);
  const lease = target.kind === "key" && list.leases.find(({ key }) => key === target.key);
  if (lease) return refused(`the record ${name} is a lease`, `name it by its subnet ${lease.subnet.v4}`);
  if (!bad) return { kind: "absent" };
  if (isWanted) return { kind: "delete-bad", key: target.kind === "key" ? target.key : bad.key };
  return refused(`the record of ${name} is no lease (${bad.reason})`, "--now --force deletes it");
}

/** Of the very subnet, whether it has an IPv6 side or not. */
function leaseOf(list: LeaseList, subnet: Prefix4): Lease | undefined {
  return list.leases.find(({ subnet: { v4 } }) => v4 === subnet);
}

function refused(reason: string, hint: string | null = null): Refusal {
  return { kind: "refused", reason, hint };
}
