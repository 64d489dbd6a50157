// In which state each peer is, since when and why, and each record of which nothing is made. Told after every pass of the
// reconciler; what has changed becomes an event.

import { type Millis, millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { prefix4Address } from "../base/ip.ts";
import { prefix6Address } from "../base/ipv6.ts";
import type { LogFields } from "../base/log.ts";
import { describeObject, type NetObject } from "../net/objects.ts";
import type { LeftOut } from "../subnet/admission.ts";
import {
  describeSubnet,
  hasIpv4,
  hostIp,
  type Lease,
  type LeaseAttrs,
  type Subnet,
  type SubnetKey,
} from "../subnet/lease.ts";
import type { EventRing } from "./events.ts";
import { ipv4OrNull, subnet4OrNull } from "./sections.ts";
import type { LeftOutStatus, PeerState, PeerStatus, ProbeStatus, Traffic } from "./snapshot.ts";

/** What is known after a pass. The same objects mean that nothing has changed. */
export interface PeerFacts {
  /** Admitted peers, as planned. */
  readonly peers: readonly Lease[];
  /** Whose records are gone or unreadable although they count as peers. */
  readonly departed: ReadonlyMap<SubnetKey, { readonly isUnreadable: boolean }>;
  /** Objects of the plan that are not in the kernel. */
  readonly missing: readonly NetObject[];
  /** Why no packet gets to any peer, or null. */
  readonly trouble: string | null;
  readonly leftOut: readonly LeftOut[];
  readonly leases: ReadonlyMap<SubnetKey, Lease>;
}

/** What others know of each peer. */
export interface MeasuredPeers {
  readonly probes: (key: SubnetKey) => readonly ProbeStatus[];
  /** Null where it is not counted. */
  readonly traffic: (lease: Lease) => Traffic | null;
  readonly keptFor: (key: SubnetKey) => Millis | null;
}

export interface PeerTracker {
  /** After each pass. Costs little while nothing has changed, and in a burst. */
  observe(facts: PeerFacts): void;
  peers(measured: MeasuredPeers): readonly PeerStatus[];
  leftOut(): readonly LeftOutStatus[];
}

interface Judgement {
  readonly state: PeerState;
  readonly reason: string | null;
}

interface Tracked extends Judgement {
  readonly lease: Lease;
  readonly since: string;
}

/** In a burst of passes the peers are looked at this often. What a pass has changed is verified by another, later. */
const PAUSE = millis(250);

export function createPeerTracker(clock: Pick<Clock, "now" | "monotonic">, events: EventRing): PeerTracker {
  let told: PeerFacts | null = null;
  let last: PeerFacts | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let tracked: ReadonlyMap<SubnetKey, Tracked> = new Map();
  let leftOut: ReadonlyMap<SubnetKey, LeftOutStatus> = new Map();
  const look = () => {
    if (told === null || (last && isSame(last, told))) return;
    const now = new Date(clock.now()).toISOString();
    const changes = track(told, tracked, now);
    tellChanges(changes, events);
    tracked = changes.tracked;
    if (last?.leftOut !== told.leftOut) leftOut = trackLeftOut(told, leftOut, now);
    last = told;
    lookedAt = clock.monotonic();
  };
  return {
    observe(facts) {
      told = facts;
      if (clock.monotonic() - lookedAt >= PAUSE) look();
    },
    peers(measured) {
      look();
      return [...tracked.values()].map((one) => statusOf(one, measured));
    },
    leftOut() {
      look();
      return [...leftOut.values()];
    },
  };
}

/** Records that are left out are judged with the peers: whatever changes those that count makes them another list. */
function isSame(a: PeerFacts, b: PeerFacts): boolean {
  return (["peers", "departed", "missing", "trouble", "leftOut"] as const).every((name) => a[name] === b[name]);
}

interface Changes {
  readonly tracked: ReadonlyMap<SubnetKey, Tracked>;
  readonly joined: readonly Tracked[];
  readonly left: readonly Tracked[];
  /** Of those that stayed. */
  readonly changed: readonly Tracked[];
}

function track(facts: PeerFacts, before: ReadonlyMap<SubnetKey, Tracked>, now: string): Changes {
  const judge = createJudge(facts);
  const tracked = new Map<SubnetKey, Tracked>();
  const [joined, changed]: [Tracked[], Tracked[]] = [[], []];
  for (const lease of facts.peers) {
    const known = before.get(lease.key);
    const { state, reason } = judge(lease);
    const isSame = known?.lease === lease && known.state === state && known.reason === reason;
    const one = isSame ? known : { lease, state, reason, since: known?.state === state ? known.since : now };
    tracked.set(lease.key, one);
    if (known === undefined) joined.push(one);
    else if (known.state !== state) changed.push(one);
  }
  const isAnyLeft = tracked.size - joined.length < before.size;
  const left = isAnyLeft ? [...before.values()].filter(({ lease }) => !tracked.has(lease.key)) : [];
  return { tracked, joined, left, changed };
}

function createJudge({ departed, missing, trouble }: PeerFacts): (lease: Lease) => Judgement {
  const gaps = new Map(missing.flatMap((object) => leadsTo(object).map((subject) => [subject, object] as const)));
  return ({ key, subnet, attrs }) => {
    const gap = trouble === null && gaps.size > 0 ? gapOf(subjectsOf(subnet, attrs), gaps) : null;
    const reason = trouble ?? gap;
    if (reason !== null) return { state: "missing", reason };
    const left = departed.get(key);
    if (!left) return { state: "programmed", reason: null };
    return { state: "held", reason: left.isUnreadable ? "its record cannot be read" : "its record is gone" };
  };
}

function gapOf(subjects: readonly string[], gaps: ReadonlyMap<string, NetObject>): string | null {
  for (const subject of subjects) {
    const object = gaps.get(subject);
    if (object) return `${describeObject(object)} is not in the kernel`;
  }
  return null;
}

/** What the objects name by which packets get to a peer. */
function subjectsOf(subnet: Subnet, { publicIp, publicIpv6 }: LeaseAttrs): readonly string[] {
  const { v4, v6 } = subnet;
  return [
    ...(hasIpv4(subnet) ? [v4, prefix4Address(v4), publicIp] : []),
    ...(v6 === null ? [] : [v6, prefix6Address(v6)]),
    ...(publicIpv6 === null ? [] : [publicIpv6]),
  ];
}

function leadsTo(object: NetObject): readonly string[] {
  switch (object.kind) {
    case "route":
    case "fdb":
      return [object.dst];
    case "neighbour":
      return [object.ip];
    case "link":
    case "address":
    case "blackhole":
      return [];
  }
}

/** More than this many at once are told as a number: the first list of a large network, or one that came back. */
const MOST_NAMED = 20;

function tellChanges({ joined, left, changed }: Changes, events: EventRing): void {
  tell(joined, { one: "a peer has joined", many: "peers have joined" }, events);
  tell(left, { one: "a peer has left", many: "peers have left" }, events);
  for (const state of ["programmed", "missing", "held"] as const) {
    const those = changed.filter((one) => one.state === state);
    tell(those, CHANGES[state], events, state === "programmed" ? "info" : "warn");
  }
}

const CHANGES: Readonly<Record<PeerState, { readonly one: string; readonly many: string }>> = {
  programmed: { one: "a peer is programmed again", many: "peers are programmed again" },
  missing: { one: "a peer is not programmed", many: "peers are not programmed" },
  held: { one: "a peer is kept although its record is gone", many: "peers are kept although their records are gone" },
};

function tell(
  those: readonly Tracked[],
  texts: { readonly one: string; readonly many: string },
  events: EventRing,
  level: "info" | "warn" = "info",
): void {
  if (those.length > MOST_NAMED) events.record(level, texts.many, { count: those.length });
  for (const { lease, reason } of those.length > MOST_NAMED ? [] : those) {
    const fields: LogFields = { subnet: describeSubnet(lease.subnet), peer: hostIp(lease.attrs) };
    events.record(level, texts.one, reason === null ? fields : { ...fields, reason });
  }
}

function trackLeftOut(
  { leftOut, leases }: PeerFacts,
  before: ReadonlyMap<SubnetKey, LeftOutStatus>,
  now: string,
): ReadonlyMap<SubnetKey, LeftOutStatus> {
  return new Map(
    leftOut.map(({ key, reason }) => {
      const known = before.get(key);
      const since = known?.reason === reason ? known.since : now;
      return [key, { key, publicIp: publicIpOf(leases.get(key)), reason, since }];
    }),
  );
}

function statusOf(
  { lease, state, reason, since }: Tracked,
  { probes: probesOf, traffic, keptFor }: MeasuredPeers,
): PeerStatus {
  const { key, subnet, attrs } = lease;
  const [probes, kept] = [probesOf(key), state === "held" ? keptFor(key) : null];
  return {
    subnet: subnet4OrNull(subnet),
    subnet6: subnet.v6,
    publicIp: ipv4OrNull(attrs.publicIp),
    publicIpv6: attrs.publicIpv6,
    nodeId: attrs.nodeId,
    state,
    reason,
    since,
    keptSeconds: kept === null ? null : kept / 1000,
    traffic: traffic(lease),
    rttSeconds: newestRtt(probes),
    probes,
  };
}

function newestRtt(probes: readonly ProbeStatus[]): number | null {
  const through = probes.filter(({ over }) => over === "overlay");
  const ways = through.length > 0 ? through : probes;
  return ways.find(({ isAnswering }) => isAnswering)?.rttSeconds ?? null;
}

function publicIpOf(lease: Lease | undefined): string | null {
  return lease === undefined ? null : hostIp(lease.attrs);
}
