// Which host has which as a peer, as each of them says. Pure.

import type { PublicStatus } from "../status/report.ts";
import type { PeerStatus } from "../status/snapshot.ts";
import type { HostAnswer } from "./facts.ts";
import { heardStatus } from "./heard.ts";
import type { HostState, PairState, PairTraffic, PairTrouble, Reach, ReachRow } from "./overlay.ts";

/** Above it the matrix is not sent, and hosts are asked only for the peers on which not all is well. */
export const MOST_ROWS = 40;
const MOST_TROUBLES = 200;

const WORST_FIRST: readonly PairState[] = ["missing", "absent", "held"];

export function describeReach(hosts: readonly HostState[], answers: ReadonlyMap<string, HostAnswer>): Reach {
  const isSmall = hosts.length <= MOST_ROWS;
  const heard = hosts.map((host) => ({ host, status: heardStatus(host.subnet, answers.get(host.publicIp)) }));
  const rows = isSmall ? heard.map(({ host, status }) => reachRow(host.subnet, status, hosts)) : null;
  const troubles = heard.flatMap(({ host, status }, index) => [
    ...(status?.peers ?? []).flatMap((peer) => troubleOf(host.subnet, peer)),
    ...(rows?.[index] ? absentFrom(rows[index], hosts) : []),
  ]);
  const sorted = troubles.toSorted((a, b) => WORST_FIRST.indexOf(a.state) - WORST_FIRST.indexOf(b.state));
  return { rows, troubles: sorted.slice(0, MOST_TROUBLES), troubleCount: troubles.length };
}

/** How one host has each of the hosts. `status`: with all of its peers, or null when it does not answer. */
export function reachRow(
  subnet: string,
  status: Pick<PublicStatus, "peers"> | null,
  hosts: readonly Pick<HostState, "subnet" | "condition">[],
): ReachRow {
  const peers = new Map(status?.peers.map((peer) => [nameOfPeer(peer), peer]));
  const awaited = new Set(hosts.filter(({ condition }) => condition === "awaited").map((host) => host.subnet));
  const stateOf = (other: string): PairState => {
    if (other === subnet) return "self";
    if (status === null) return awaited.has(subnet) ? "awaited" : "unknown";
    return peers.get(other)?.state ?? (awaited.has(other) ? "awaited" : "absent");
  };
  const rtts = hosts.map((other) => peers.get(other.subnet)?.rttSeconds ?? null);
  const traffic = hosts.map((other) => pairTraffic(peers.get(other.subnet)));
  return {
    subnet,
    states: hosts.map((other) => stateOf(other.subnet)),
    rttSeconds: rtts.some((rtt) => rtt !== null) ? rtts : null,
    traffic: traffic.some((pair) => pair !== null) ? traffic : null,
  };
}

/** Null also for what is no number: it may be any daemon's answer. */
function pairTraffic(peer: PeerStatus | undefined): PairTraffic | null {
  const { receivedBytes, sentBytes } = peer?.traffic ?? {};
  return typeof receivedBytes === "number" && typeof sentBytes === "number" ? [receivedBytes, sentBytes] : null;
}

function nameOfPeer({ subnet, subnet6 }: PeerStatus): string {
  return subnet ?? subnet6 ?? "";
}

function troubleOf(from: string, peer: PeerStatus): readonly PairTrouble[] {
  const { state, reason, since } = peer;
  return state === "programmed" ? [] : [{ from, to: nameOfPeer(peer), state, reason, since }];
}

function absentFrom({ subnet, states }: ReachRow, hosts: readonly HostState[]): readonly PairTrouble[] {
  return hosts.flatMap((other, index) =>
    states[index] === "absent"
      ? [{ from: subnet, to: other.subnet, state: "absent" as const, reason: other.problem, since: null }]
      : [],
  );
}
