// What etcd says, and whether it can be asked: certificates, the clock, the config, and this host's place among the leases.

import type { EpochMillis } from "../base/brand.ts";
import { NO_IPV4, type Prefix } from "../base/ip.ts";
import { pasteCommand, pasteEtcdctl, shellWord } from "../base/paste.ts";
import { byCommand, byHand } from "../base/remedy.ts";
import { publicIpsOf } from "../net/underlay.ts";
import { countFree } from "../subnet/acquire.ts";
import { describeSubnet, hasIpv4, hostIp, type Lease } from "../subnet/lease.ts";
import { ipv4Space, ipv6Space } from "../subnet/subnet-space.ts";
import type { Facts } from "./facts.ts";
import { type Finding, fail, ok, plural, skip, some, warn } from "./finding.ts";

export function checkEtcd({ store, etcd, daemons, prefix }: Facts): Finding {
  if (store.known) {
    const { endpoints, refusal } = store.value;
    if (refusal === null) return ok(`etcd answers at ${endpoints.join(", ")}`);
    // A daemon keeps the lease that it has: to renew it writes nothing. It may also be another user of etcd.
    const isHeld = daemons.known && daemons.value.some((one) => one.prefix === prefix);
    return (isHeld ? warn : fail)(refusal, byHand("do that: until then nobody gets a new lease so"));
  }
  return fail(store.reason, byCommand(pasteEtcdctl("endpoint health", etcd)));
}

const WEEK = 7 * 86_400_000;

export function checkCertificates({ certificates, store, now }: Facts): Finding {
  if (!certificates.known)
    return fail(certificates.reason, byHand("name files that are there and hold a certificate and its key"));
  // Where etcd answers it has accepted them: by its clock they are valid.
  const early = store.known ? undefined : certificates.value.find(({ begins }) => begins > now);
  if (early) {
    return fail(
      `${early.name} is not valid before ${dateOf(early.begins)}, and it is ${dateOf(now)} here`,
      byHand("set the clock of this host if it is wrong, or use a certificate that is valid now"),
    );
  }
  const [first] = certificates.value.toSorted((a, b) => a.expires - b.expires);
  if (!first) return ok("etcd is used without certificates");
  const when = dateOf(first.expires);
  if (first.expires <= now) return fail(`${first.name} expired at ${when}`, byHand(RENEWALS[first.whose]));
  if (first.expires - now < WEEK) return warn(`${first.name} expires at ${when}`, byHand(RENEWALS[first.whose]));
  return ok(`the certificates last until ${when}`);
}

const RENEWALS = {
  client: "replace the certificate and its key; a running flanneld takes them up by itself",
  authority: "put the new authority beside the old one into the file",
  server: "renew the certificate of the etcd server",
} as const;

function dateOf(at: EpochMillis): string {
  return new Date(at).toISOString();
}

/** Leases and certificates go by minutes and hours; more than this is a clock that nobody sets. */
const TOLERANCE = 30_000;

export function checkClock({ clocks }: Facts): Finding {
  const [worst] = clocks.toSorted((a, b) => Math.abs(b.ahead) - Math.abs(a.ahead));
  if (!worst) return skip("no etcd server has said what time it is there");
  const seconds = Math.round(Math.abs(worst.ahead) / 1000);
  if (Math.abs(worst.ahead) < TOLERANCE) return ok("this clock and etcd's agree");
  const direction = worst.ahead > 0 ? "ahead of" : "behind";
  return warn(
    `this clock is ${seconds} s ${direction} that of ${worst.endpoint}`,
    byCommand("timedatectl set-ntp true"),
  );
}

export function checkConfigured({ store, network, network6, asking }: Facts): Finding {
  if (!store.known) return skip("the network config cannot be read without etcd");
  const networks = [...(network.known ? [network.value.network] : []), ...(network6 ? [network6.network] : [])];
  if (networks.length > 0)
    return ok(`the network config at ${store.value.configKey} is valid: ${networks.join(" and ")}`);
  const reason = network.known ? "" : network.reason;
  if (store.value.config !== null) return fail(reason, byCommand(pasteCommand("config validate", asking)));
  const command = pasteCommand(`config set ${shellWord(EXAMPLE)}`, asking);
  return fail(reason, byHand(`write one, with a network that nothing else here has: ${command}`));
}

const EXAMPLE = '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}';

/** This host's own record; null when it has none, or it cannot be told. */
export function ownLease({ store, nodeId, underlay, subnetFile }: Facts): Lease | null {
  if (!store.known) return null;
  const { leases } = store.value.list;
  const publicIp = underlay.known ? publicIpsOf(underlay.value).publicIp : null;
  const { subnet: own4, subnet6: own6 } = subnetFile;
  const ours = leases.filter(({ attrs }) => nodeId !== null && attrs.nodeId === nodeId);
  return (
    // A copy of this host's disk has its id, too.
    ours.find(({ attrs }) => hostIp(attrs) === publicIp) ??
    ours[0] ??
    leases.find(({ attrs }) => hostIp(attrs) === publicIp && (attrs.nodeId === null || nodeId === null)) ??
    leases.find(
      ({ subnet, attrs }) =>
        hostIp(attrs) === publicIp && (hasIpv4(subnet) ? subnet.v4 === own4 : subnet.v6 !== null && subnet.v6 === own6),
    ) ??
    null
  );
}

export function checkPublicIp(facts: Facts): Finding {
  const { store, underlay } = facts;
  if (!store.known) return skip("who else has this host's public IP cannot be asked without etcd");
  const { leases } = store.value.list;
  const publicIp = underlay.known ? publicIpsOf(underlay.value).publicIp : null;
  const same = leases.filter(({ attrs }) => publicIp !== null && hostIp(attrs) === publicIp);
  return (
    findRival(same, facts) ??
    findCopies(leases, facts) ??
    findDoubled(leases, facts) ??
    ok(publicIp === null ? "no two hosts have one public IP" : `nobody else has the public IP ${publicIp}`)
  );
}

/** `same`: the leases with this host's public IP. */
function findRival(same: readonly Lease[], { nodeId, user, daemons, prefix }: Facts): Finding | null {
  const rival = same.find(({ attrs }) => attrs.nodeId !== null && attrs.nodeId !== nodeId);
  // A daemon that can keep no id has one all the same, which is not known here.
  const isKnown = user.isRoot && daemons.known && !daemons.value.some((one) => one.prefix === prefix);
  if (!rival || (nodeId === null && !isKnown)) return null;
  const { attrs, subnet } = rival;
  const what = `(node id ${attrs.nodeId}) has the public IP ${hostIp(attrs)} of this one and holds ${describeSubnet(subnet)} with it`;
  const remedy = "give each host its own with -iface or -public-ip";
  if (nodeId !== null) return fail(`another host ${what}`, byHand(remedy));
  // Before the first start: a daemon asks the other one whether it is there.
  return warn(`a host ${what}: another one, or this one before it was set up anew`, byHand(`if another: ${remedy}`));
}

function findCopies(leases: readonly Lease[], { nodeId }: Facts): Finding | null {
  const copies = leases.filter(({ attrs }) => nodeId !== null && attrs.nodeId === nodeId);
  if (copies.length < 2) return null;
  const holders = copies.map(({ attrs, subnet }) => `${hostIp(attrs)} (${describeSubnet(subnet)})`);
  return warn(
    `${copies.length} leases have the node id of this host, as when one is a copy of the other's disk: ${some(holders)}`,
    byHand("delete the file node-id in the state directory of one of them, and start flanneld there again"),
  );
}

function findDoubled(leases: readonly Lease[], { asking }: Facts): Finding | null {
  const addresses = leases.map(({ attrs }) => hostIp(attrs)).filter((ip) => ip !== NO_IPV4);
  const doubled = [...new Set(addresses.filter((ip, index) => addresses.indexOf(ip) !== index))];
  if (doubled.length === 0) return null;
  const subnets = leases
    .filter(({ attrs }) => hostIp(attrs) === doubled[0])
    .map(({ subnet }) => describeSubnet(subnet));
  return warn(
    `${some(doubled)} has more than one lease: ${some(subnets)}`,
    byHand(
      `give each host its own with -iface or -public-ip, or release the older: ${pasteCommand("release SUBNET --now --force", asking)}`,
    ),
  );
}

const FEW = 0.05;

export function checkSubnets(facts: Facts): Finding {
  const { store, network } = facts;
  if (!store.known) return skip("free subnets cannot be counted without etcd");
  const space = countSubnets(facts, store.value.list.leases);
  if (space === null) return skip(`free subnets cannot be counted: ${network.known ? "" : network.reason}`);
  const { prefix, free, total, members } = space;
  const own = ownLease(facts);
  const remedy = byHand(
    `widen ${members} (${pasteCommand("config set", facts.asking)}), or free one: ${pasteCommand("release SUBNET --now --force", facts.asking)}`,
  );
  if (free === 0 && own === null) {
    return fail(`${allOf(total)} of ${prefix} ${total === 1 ? "is" : "are"} leased, and this host has none`, remedy);
  }
  if (free < total * FEW && free < 3) {
    return warn(describeScarcity({ prefix, free, total }), remedy);
  }
  const has = own === null ? "this host has none yet" : `this host has ${describeSubnet(own.subnet)}`;
  return ok(`${free} of ${plural(total, "subnet")} ${free === 1 ? "is" : "are"} free, ${has}`);
}

/** "all 3 subnets", "the only subnet" */
function allOf(total: number): string {
  return total === 1 ? "the only subnet" : `all ${total} subnets`;
}

function describeScarcity({ prefix, free, total }: Pick<SubnetCount, "prefix" | "free" | "total">): string {
  if (free > 0) {
    return `only ${free} of ${plural(total, "subnet")} of ${prefix} ${free === 1 ? "is" : "are"} free for further hosts`;
  }
  const isAre = total === 1 ? "is" : "are";
  return `there is no subnet for a further host: ${allOf(total)} of ${prefix} ${isAre} leased`;
}

interface SubnetCount {
  readonly prefix: Prefix;
  readonly free: number;
  readonly total: number;
  /** Of the network config, by which there are more. */
  readonly members: string;
}

/** Of IPv4, which has fewer, or of IPv6 where that is all; null when the network is not known. */
function countSubnets({ network, network6 }: Facts, leases: readonly Lease[]): SubnetCount | null {
  const subnets = leases.map(({ subnet }) => subnet);
  if (network.known) {
    const space = ipv4Space(network.value);
    const free = countFree(
      space,
      subnets.map(({ v4 }) => v4),
    );
    const members = "Network, SubnetMin/SubnetMax or SubnetLen";
    return { prefix: network.value.network, free, total: space.count, members };
  }
  if (network6 === null) return null;
  const space = ipv6Space(network6);
  const free = countFree(
    space,
    subnets.flatMap(({ v6 }) => v6 ?? []),
  );
  const members = "IPv6Network, IPv6SubnetMin/IPv6SubnetMax or IPv6SubnetLen";
  return { prefix: network6.network, free, total: space.count, members };
}
