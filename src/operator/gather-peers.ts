// What `check` wants to know of the other hosts: how packets get there, and whether they answer. Of many hosts a sample is
// asked, always the same one.

import { seconds } from "../base/brand.ts";
import { FlannelError, isError } from "../base/errors.ts";
import type { Family, Ip, Prefix4 } from "../base/ip.ts";
import type { Prefix6 } from "../base/ipv6.ts";
import { mapInParallel } from "../base/tasks.ts";
import type { Facts, Known, PeerFacts } from "../check/facts.ts";
import { samplePeers, wayAddress } from "../check/peer-sample.ts";
import type { VerbCall } from "../cli/verbs.ts";
import type { Pinger } from "../icmp/pinger.ts";
import type { Underlay } from "../net/underlay.ts";
import { hasIpv4, type Lease, type Subnet } from "../subnet/lease.ts";
import type { LeaseList } from "../subnet/lease-store.ts";
import type { NetworkConfig } from "../subnet/network-config.ts";
import { type AdmittedPeers, admitAsDaemon } from "./admitted.ts";
import { lookAtPeer } from "./look-at-peer.ts";
import { withStore } from "./session.ts";
import type { KernelLook, OperatorPorts } from "./verb.ts";

export interface SelfView {
  readonly own: readonly Ip[];
  readonly subnets: { readonly v4: Prefix4 | null; readonly v6: Prefix6 | null };
  /** A device that this network's backend makes is there. */
  readonly hasDevice: boolean;
  /** Of the network. */
  readonly families: readonly Family[];
  readonly underlay: Known<Underlay>;
}

interface PeerDeps {
  readonly call: VerbCall;
  readonly ports: OperatorPorts;
  readonly kernel: KernelLook;
}

const AT_ONCE = 12;
const LOOK = { count: 2, limit: seconds(1) } as const;

/** What the store has; null where it is not known. */
export interface NetworkRecords {
  readonly list: LeaseList | null;
  readonly network: NetworkConfig | null;
}

export async function gatherPeers(
  records: NetworkRecords,
  self: SelfView,
  deps: PeerDeps,
  signal: AbortSignal,
): Promise<Pick<Facts, "peers" | "unpinged" | "leftOut">> {
  const { peers, leftOut } = admitOthers(records, self);
  return { ...(await askPeers(samplePeers(peers), self, deps, signal)), leftOut };
}

/** Other records of this host itself are neither a peer's nor left out. */
function admitOthers({ list, network }: NetworkRecords, self: SelfView): AdmittedPeers {
  if (list === null) return { peers: [], leftOut: [] };
  const own = list.leases.filter((lease) => isSelf(lease, self));
  const record = own.find(({ subnet }) => isOwnSubnet(subnet, self)) ?? own[0] ?? null;
  const others = list.leases.filter((lease) => lease === record || !own.includes(lease));
  const underlay = self.underlay.known ? self.underlay.value : null;
  return admitAsDaemon({ ...list, leases: others }, { self: record, underlay }, network);
}

async function askPeers(
  sample: readonly Lease[],
  self: SelfView,
  deps: PeerDeps,
  signal: AbortSignal,
): Promise<Pick<Facts, "peers" | "unpinged">> {
  if (sample.length === 0) return { peers: [], unpinged: null };
  const opened = await openPinger(deps.ports);
  if (typeof opened === "string") {
    const look = async (lease: Lease, scope: AbortSignal): Promise<PeerFacts> => ({
      ...(await wayTo(lease, self, deps, scope)),
      ways: [],
      term: null,
    });
    return { ...(await lookAtAll(sample, look, signal)), unpinged: opened };
  }
  using pinger = opened;
  const look = async (lease: Lease, scope: AbortSignal): Promise<PeerFacts> => ({
    ...(await wayTo(lease, self, deps, scope)),
    ways: await lookAtPeer(
      lease,
      { ...LOOK, hasDevice: self.hasDevice, families: self.families },
      { pinger, kernel: deps.kernel },
      scope,
    ),
    term: null,
  });
  const { peers, unpinged } = await lookAtAll(sample, look, signal);
  return { peers: await withTerms(peers, deps, signal), unpinged };
}

/** Without those of which the kernel would not say how to get there; why, if that is all of them. */
async function lookAtAll(
  sample: readonly Lease[],
  look: (lease: Lease, signal: AbortSignal) => Promise<PeerFacts>,
  signal: AbortSignal,
): Promise<Pick<Facts, "peers" | "unpinged">> {
  const refusals: string[] = [];
  const looked = await mapInParallel(
    sample,
    AT_ONCE,
    async (lease, scope) => {
      try {
        return [await look(lease, scope)];
      } catch (error) {
        if (!isError(error, "netlink.errno")) throw error;
        refusals.push(error.message);
        return [];
      }
    },
    signal,
  );
  const peers = looked.flat();
  return { peers, unpinged: peers.length === 0 ? (refusals[0] ?? null) : null };
}

/** Or why there is none. */
async function openPinger(ports: OperatorPorts): Promise<Pinger | string> {
  try {
    return await ports.openPinger();
  } catch (error) {
    if (!(error instanceof FlannelError)) throw error;
    return error.message;
  }
}

function isSelf({ attrs, subnet }: Lease, self: SelfView): boolean {
  if (self.own.includes(attrs.publicIp) || isOwnSubnet(subnet, self)) return true;
  return attrs.publicIpv6 !== null && self.own.includes(attrs.publicIpv6);
}

function isOwnSubnet(subnet: Subnet, { subnets }: SelfView): boolean {
  if (hasIpv4(subnet) && subnet.v4 === subnets.v4) return true;
  return subnet.v6 !== null && subnet.v6 === subnets.v6;
}

async function wayTo(
  lease: Lease,
  { families }: SelfView,
  { kernel }: PeerDeps,
  signal: AbortSignal,
): Promise<Pick<PeerFacts, "lease" | "way">> {
  return { lease, way: await kernel.lookup(wayAddress(lease, families), signal) };
}

/** Of those that do not answer: a record that was not renewed says that its host is gone. */
async function withTerms(
  peers: readonly PeerFacts[],
  { call, ports }: PeerDeps,
  signal: AbortSignal,
): Promise<readonly PeerFacts[]> {
  const isSilent = ({ ways }: PeerFacts) => ways.every(({ received }) => received === 0);
  if (!peers.some(isSilent)) return peers;
  try {
    return await withStore(call, ports, async (store) => {
      const ask = async (peer: PeerFacts, scope: AbortSignal) =>
        isSilent(peer) ? { ...peer, term: await store.timeLeft(peer.lease, scope) } : peer;
      return await mapInParallel(peers, AT_ONCE, ask, signal);
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FlannelError)) throw error;
    return peers;
  }
}
