// What etcd says, and whether it can be asked: certificates, the clock, the config, and this host's place among the leases.

import type { EpochMillis } from "../base/brand.ts";
import { NO_IPV4 } from "../base/ip.ts";
import { countFree } from "../subnet/acquire.ts";
import type { Lease } from "../subnet/lease.ts";
import { ipv4Space } from "../subnet/subnet-space.ts";
import { type Facts, NO_IPV4_NETWORK } from "./facts.ts";
import { type Finding, fail, ok, skip, some, warn } from "./finding.ts";

export function checkEtcd({ store, endpoints }: Facts): Finding {
  if (store.known) return ok(`etcd answers at ${store.value.endpoints.join(", ")}`);
  return fail(
    store.reason,
    `etcdctl --endpoints=${endpoints.join(",")} endpoint health; -etcd-endpoints and FLANNELD_ETCD_ENDPOINTS say where it is looked for`,
  );
}

const WEEK = 7 * 86_400_000;

export function checkCertificates({ certificates, now }: Facts): Finding {
  if (!certificates.known)
    return fail(certificates.reason, "name files that are there and hold a certificate and its key");
  const [first] = certificates.value.toSorted((a, b) => a.expires - b.expires);
  if (!first) return ok("etcd is used without certificates");
  const when = dateOf(first.expires);
  if (first.expires <= now) return fail(`${first.name} expired at ${when}`, RENEWALS[first.whose]);
  if (first.expires - now < WEEK) return warn(`${first.name} expires at ${when}`, RENEWALS[first.whose]);
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
  return warn(`this clock is ${seconds} s ${direction} that of ${worst.endpoint}`, "timedatectl set-ntp true");
}

export function checkConfigured({ store, network }: Facts): Finding {
  if (!store.known) return skip("the network config cannot be read without etcd");
  if (!network.known && network.reason === NO_IPV4_NETWORK) {
    return ok(`the network config at ${store.value.configKey} is valid; ${network.reason}`);
  }
  if (network.known) return ok(`the network config at ${store.value.configKey} is valid: ${network.value.network}`);
  const remedy =
    store.value.config === null
      ? `flanneld config set '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}'`
      : "flanneld config validate";
  return fail(network.reason, remedy);
}

/** This host's own record; null when it has none, or it cannot be told. */
export function ownLease({ store, nodeId, underlay, subnetFile }: Facts): Lease | null {
  if (!store.known) return null;
  const { leases } = store.value.list;
  const publicIp = underlay.known ? underlay.value.publicIp : null;
  return (
    leases.find(({ attrs }) => nodeId !== null && attrs.nodeId === nodeId) ??
    leases.find(({ attrs }) => attrs.publicIp === publicIp && (attrs.nodeId === null || nodeId === null)) ??
    leases.find(({ subnet, attrs }) => subnet.v4 === subnetFile.subnet && attrs.publicIp === publicIp) ??
    null
  );
}

export function checkPublicIp(facts: Facts): Finding {
  const { store, underlay, nodeId } = facts;
  if (!store.known) return skip("who else has this host's public IP cannot be asked without etcd");
  const { leases } = store.value.list;
  const publicIp = underlay.known && underlay.value.publicIp !== NO_IPV4 ? underlay.value.publicIp : null;
  const rival = leases.find(
    ({ attrs }) =>
      publicIp !== null &&
      attrs.publicIp === publicIp &&
      nodeId !== null &&
      attrs.nodeId !== null &&
      attrs.nodeId !== nodeId,
  );
  if (rival && publicIp !== null) {
    return fail(
      `another host (node id ${rival.attrs.nodeId}) has the public IP ${publicIp} of this one and holds ${rival.subnet.v4} with it`,
      "give each host its own with -iface or -public-ip",
    );
  }
  const addresses = leases.map(({ attrs }) => attrs.publicIp).filter((ip) => ip !== NO_IPV4);
  const doubled = [...new Set(addresses.filter((ip, index) => addresses.indexOf(ip) !== index))];
  if (doubled.length > 0) {
    const subnets = leases.filter(({ attrs }) => attrs.publicIp === doubled[0]).map(({ subnet }) => subnet.v4);
    return warn(
      `${some(doubled)} has more than one lease: ${some(subnets)}`,
      "give each host its own with -iface or -public-ip, or release the older: flanneld release SUBNET --now --force",
    );
  }
  return ok(publicIp === null ? "no two hosts have one public IP" : `nobody else has the public IP ${publicIp}`);
}

const FEW = 0.05;

export function checkSubnets(facts: Facts): Finding {
  const { store, network } = facts;
  if (!store.known) return skip("free subnets cannot be counted without etcd");
  if (!network.known) return skip(`free subnets cannot be counted: ${network.reason}`);
  const taken = store.value.list.leases.map(({ subnet }) => subnet.v4);
  const space = ipv4Space(network.value);
  const [free, total] = [countFree(space, taken), space.count];
  const own = ownLease(facts);
  const remedy =
    "widen Network, SubnetMin/SubnetMax or SubnetLen (flanneld config set), or free one: flanneld release SUBNET --now --force";
  if (free === 0 && own === null) {
    return fail(`all ${total} subnets of ${network.value.network} are leased, and this host has none`, remedy);
  }
  if (free < total * FEW && free < 3) {
    return warn(`only ${free} of ${total} subnets of ${network.value.network} are free for further hosts`, remedy);
  }
  const has = own === null ? "this host has none yet" : `this host has ${own.subnet.v4}`;
  return ok(`${free} of ${total} subnets are free, ${has}`);
}
