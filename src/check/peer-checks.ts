// Whether the other hosts answer, also through the overlay, and how large packets get there.

import { describePeer } from "../backends/peer-addresses.ts";
import type { EpochMillis } from "../base/brand.ts";
import { pasteCommand } from "../base/paste.ts";
import { byCommand, byHand } from "../base/remedy.ts";
import { deadFamily, judgePeer, type PeerWay } from "../icmp/peer-report.ts";
import { describeSubnet, hasIpv4, hostIp, LEASE_TTL } from "../subnet/lease.ts";
import type { Facts, PeerFacts, WantedBackend } from "./facts.ts";
import { type Finding, fail, ok, plural, skip, warn } from "./finding.ts";

export function checkPeers(facts: Facts): Finding {
  const finding = judgeReach(facts);
  return { ...finding, sentence: `${finding.sentence}${describeLeftOut(facts)}` };
}

/** A record that daemons make nothing of is no peer, and its own host's trouble. */
function describeLeftOut({ leftOut }: Facts): string {
  const [first] = leftOut;
  if (!first) return "";
  const count = plural(leftOut.length, "record is", "records are");
  return `; ${count} left out${leftOut.length > 1 ? ", the first" : ""}: ${first.key}: ${first.reason}`;
}

function nobody({ leftOut }: Facts): Finding {
  return ok(leftOut.length === 0 ? "no other host has a lease yet" : UNREACHED);
}

const UNREACHED = "no other host has a lease that a daemon here would send to";

/** As on a host in another network segment than all others, with host-gw. */
function withoutReach(asking: Facts["asking"]): Finding {
  return warn(UNREACHED, byCommand(pasteCommand("leases", asking)));
}

function judgeReach(facts: Facts): Finding {
  const { store, peers, unpinged, now, asking } = facts;
  if (!store.known) return skip("who the other hosts are cannot be asked without etcd");
  if (unpinged !== null) return skip(`the other hosts were not pinged: ${unpinged}`);
  if (peers.length === 0) return facts.leftOut.length === 0 ? nobody(facts) : withoutReach(asking);
  const silent = peers.filter(({ ways }) => ways.every(isDead));
  const [first] = silent;
  if (!first) return checkFamilies(peers) ?? ok(describeAnswers(peers));
  const { subnet, attrs } = first.lease;
  const own = hasIpv4(subnet) ? subnet.v4 : subnet.v6;
  const more = silent.length > 1 ? ` (${silent.length} of ${peers.length} peers do not answer)` : "";
  const said = first.ways.find(({ reason }) => reason !== null)?.reason;
  const because = said ? ` (${said})` : "";
  const age = staleness(first, now);
  const sentence =
    age === null
      ? `the peer ${describePeer(first.lease)} does not answer${because}${more}`
      : `stale peer: ${hostIp(attrs)} does not answer${because}, and its record for ${describeSubnet(subnet)} was last renewed ${age} ago${more}`;
  // Nobody here knows whether the host is gone or only cut off, and who releases its subnet gives it to others.
  const remedy =
    age === null
      ? byCommand(pasteCommand(`ping ${hostIp(attrs)}`, asking))
      : byHand(
          `start flanneld there, or if that host is gone: ${pasteCommand(`release ${own} --now --force`, asking)}`,
        );
  return (silent.length === peers.length ? fail : warn)(sentence, remedy);
}

/** Of dual-stack peers, which may answer in one family alone; null when all do in both. */
function checkFamilies(peers: readonly PeerFacts[]): Finding | null {
  const half = peers.filter(({ ways }) => deadFamily(ways) !== null);
  const [first] = half;
  if (!first) return null;
  const judged = judgePeer({ name: describePeer(first.lease), carrier: null, ways: first.ways });
  const more = half.length > 1 ? ` (${half.length} of ${peers.length} peers)` : "";
  return (half.length === peers.length ? fail : warn)(`${judged.sentence ?? ""}${more}`, judged);
}

function answering(peers: number): string {
  if (peers === 0) return "no peer answers";
  return peers === 1 ? "1 peer answers" : `${peers} peers answer`;
}

/** Whose firewall drops ICMP on the underlay alone answers all the same. */
function describeAnswers(peers: readonly PeerFacts[]): string {
  const direct = peers.filter(({ ways }) => ways.some((way) => way.over === "underlay" && !isDead(way)));
  const others = peers.length - direct.length;
  const through = others > 0 ? `, ${others} through the overlay alone` : "";
  return `${answering(direct.length)} on the underlay${through}`;
}

function isDead({ received }: PeerWay): boolean {
  return received === 0;
}

/** A host that is alive renews an hour before the end, or at whatever its margin is. */
const RENEWED_LATELY = LEASE_TTL - 55 * 60_000;

/** How long ago a record was renewed whose host has missed its time; null otherwise. */
function staleness({ term }: PeerFacts, now: EpochMillis): string | null {
  if (term?.kind !== "until") return null;
  const age = LEASE_TTL - (term.at - now);
  if (age < RENEWED_LATELY) return null;
  return `${Math.floor(age / 3_600_000)} h ${Math.floor(age / 60_000) % 60} min`;
}

export function checkOverlay(facts: Facts): Finding {
  const { peers, unpinged, backends, store, isBackendKnown } = facts;
  if (!store.known) return skip("through which peers the overlay leads cannot be asked without etcd");
  if (unpinged !== null) return skip(`nothing was sent through the overlay: ${unpinged}`);
  const tried = peers.filter(({ ways }) => ways.some(({ over }) => over === "overlay"));
  if (tried.length === 0) {
    const [first] = backends;
    if (isBackendKnown && first && !hasDevice(first)) {
      return ok(
        `the backend ${first.backend.type} sends packets as they are: what the peers say holds for the overlay`,
      );
    }
    if (peers.length === 0) return nobody(facts);
    return skip("there is no device of the overlay here yet through which to ping");
  }
  const alive = tried.filter(({ ways }) => ways.some(({ over, received }) => over === "underlay" && received > 0));
  const lost = alive.filter(({ ways }) => ways.some((way) => way.over === "overlay" && isDead(way)));
  const [first] = lost;
  if (!first) return ok(`${answering(alive.length)} through the overlay`);
  const port = backends[0]?.port ?? null;
  const judged = judgePeer({
    ...first,
    name: describePeer(first.lease),
    carrier: port === null ? null : `UDP port ${port}`,
  });
  const more = lost.length > 1 ? ` (${lost.length} of ${alive.length} peers)` : "";
  return fail(`${judged.sentence ?? ""}${more}`, judged);
}

function hasDevice({ port }: WantedBackend): boolean {
  return port !== null;
}

export function checkPathMtu({ peers, unpinged }: Facts): Finding {
  if (unpinged !== null) return skip(`no large packets were sent: ${unpinged}`);
  const measured = peers.flatMap((peer) => peer.ways.map((way) => ({ peer, way })));
  const narrow = measured.find(({ way: { path, most } }) => path !== null && most !== null && path.mtu < most);
  if (narrow) {
    const judged = judgePeer({ name: describePeer(narrow.peer.lease), carrier: null, ways: [narrow.way] });
    return (judged.verdict === "broken" ? fail : warn)(judged.sentence ?? "", judged);
  }
  const sizes = measured.flatMap(({ way }) => (way.path === null ? [] : [way.path.mtu]));
  if (sizes.length === 0) return skip("nobody answers whom large packets could be sent to");
  return ok(`packets of the largest size reach the other hosts`);
}
