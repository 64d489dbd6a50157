// Leases of hosts that do not exist, by number: their records, changes of them, and what each means for a kernel. Pure.

import type { LeaseWrite } from "./write-leases.ts";

export interface PeerLease {
  /** "10.3.7.0/24" */
  readonly subnet: string;
  readonly publicIp: string;
  readonly mac: string;
}

/** How often a host's MAC and its public IP have changed. */
export interface PeerVersion {
  readonly mac: number;
  readonly ip: number;
}

export const PREFIX = "/coreos.com/network";

/** These subnets are in the lower half of the network; the daemons that are measured lease theirs in the upper half. */
export const NETWORK_CONFIG = '{"Network":"10.0.0.0/8","SubnetMin":"10.128.0.0","Backend":{"Type":"vxlan"}}';

const FIRST: PeerVersion = { mac: 0, ip: 0 };

/** `n` up to 32,767, `ip` up to 11. */
export function peerLease(n: number, { mac, ip }: PeerVersion = FIRST): PeerLease {
  const [high, low] = [n >> 8, n & 255];
  const octets = [mac >> 8, mac & 255, high, low].map((byte) => byte.toString(16).padStart(2, "0"));
  return {
    subnet: `10.${high}.${low}.0/24`,
    publicIp: `172.${20 + ip}.${high}.${low}`,
    mac: `02:42:${octets.join(":")}`,
  };
}

export interface PeerChange {
  readonly before: PeerLease | null;
  readonly after: PeerLease | null;
}

/** Of `count` hosts, from number `first` on. */
export function arrivals(first: number, count: number): readonly PeerChange[] {
  return Array.from({ length: count }, (_, n) => ({ before: null, after: peerLease(first + n) }));
}

/**
 * `count` changes to the hosts 0 to `present` - 1, in turns: one comes, one goes, one has another MAC, one another public
 * IP. No host is changed twice before the turn comes round again.
 */
export function churn(present: number, count: number): readonly PeerChange[] {
  const hosts = new Map(Array.from({ length: present }, (_, n) => [n, FIRST]));
  let oldest = 0;
  let newest = present;
  const change = (turn: number): PeerChange => {
    const n = turn === 0 ? newest++ : oldest++ % present;
    const version = hosts.get(n) ?? null;
    const next = versionAfter(turn, version);
    if (next === null) hosts.delete(n);
    else hosts.set(n, next);
    return { before: version && peerLease(n, version), after: next && peerLease(n, next) };
  };
  return Array.from({ length: count }, (_, index) => change(index % 4));
}

/** What is no longer there comes back. */
function versionAfter(turn: number, version: PeerVersion | null): PeerVersion | null {
  if (version === null || turn === 0) return FIRST;
  switch (turn) {
    case 1:
      return null;
    case 2:
      return { ...version, mac: version.mac + 1 };
    default:
      return { ...version, ip: (version.ip + 1) % 12 };
  }
}

/** `at`: milliseconds after the writer has begun; null for as soon as it can. */
export function writeOf({ before, after }: PeerChange, at: number | null): LeaseWrite {
  const subnet = (after ?? before)?.subnet ?? "";
  return { key: `${PREFIX}/subnets/${subnet.replace("/", "-")}`, value: after && recordOf(after), at };
}

function recordOf({ publicIp, mac }: PeerLease): string {
  const data = { VNI: 1, VtepMAC: mac };
  return JSON.stringify({ PublicIP: publicIp, PublicIPv6: null, BackendType: "vxlan", BackendData: data });
}

/** What a vxlan host has in its kernel for a peer, as kernel-monitor.ts spells it. */
export function kernelObjects({ subnet, publicIp, mac }: PeerLease): readonly string[] {
  const address = subnet.replace("/24", "");
  return [`route ${subnet}`, `neighbour ${address} ${mac}`, `fdb ${mac} ${publicIp}`];
}

/** The kernel's notifications when the change has been programmed: "+" what comes, "-" what goes and is not replaced. */
export function kernelEvents({ before, after }: PeerChange): readonly string[] {
  if (after === null) return before ? kernelObjects(before).map((object) => `-${withoutMac(object)}`) : [];
  const held = new Set(before ? kernelObjects(before) : []);
  return kernelObjects(after)
    .filter((object) => !held.has(object))
    .map((object) => `+${object}`);
}

/** Kernel: the notification that a neighbour has gone does not say what its MAC was. */
function withoutMac(object: string): string {
  return object.startsWith("neighbour ") ? object.split(" ").slice(0, 2).join(" ") : object;
}
