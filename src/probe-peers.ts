// Probes the peers, if asked to: a ping now and then to each, on the underlay and through the overlay, and now and then
// one as large as the path should carry. It tells what nothing else sees, such as hosts between which packets get lost in
// one direction only. However many peers there are, it sends a bounded number of small packets, at irregular times, so
// that the daemons of a network do not keep step.

import { setMaxListeners } from "node:events";
import type { NetworkView } from "./backends/backend.ts";
import { describePeer, peerAddresses } from "./backends/peer-addresses.ts";
import { backendSettings } from "./backends/registry.ts";
import { type Millis, millis, seconds } from "./base/brand.ts";
import type { Clock } from "./base/clock.ts";
import { createComplaint } from "./base/complaint.ts";
import { createDoorbell } from "./base/doorbell.ts";
import { isError } from "./base/errors.ts";
import type { Logger } from "./base/log.ts";
import type { Random } from "./base/random.ts";
import { childSignal } from "./base/signals.ts";
import { runTasks } from "./base/tasks.ts";
import type { Options } from "./cli/options.ts";
import { findPathMtu, patienceFor } from "./icmp/path-mtu.ts";
import { judgePeer, type PeerJudgement } from "./icmp/peer-report.ts";
import { type Pinger, SMALL_PACKET } from "./icmp/pinger.ts";
import {
  figuresOf,
  judgedWay,
  startHistory,
  type WayFigures,
  type WayHistory,
  withOutcome,
  withPath,
} from "./icmp/probe-history.ts";
import type { Means } from "./means.ts";
import type { KernelNet } from "./net/kernel-net.ts";
import { waysTo } from "./peer-ways.ts";
import type { Lease, SubnetKey } from "./subnet/lease.ts";
import type { NetworkConfig } from "./subnet/network-config.ts";

export interface ProbedWay extends WayFigures {
  readonly over: WayHistory["over"];
  readonly to: WayHistory["to"];
}

export interface PeerProbes {
  /** The peers are those that there are now; the others are forgotten. */
  follow(view: Pick<NetworkView, "peers" | "network">): void;
  /** The peers that do not answer as they should, as a phrase; else null. */
  trouble(): string | null;
  /** What is known of each way to a peer; none for one that is not probed. */
  ways(key: SubnetKey): readonly ProbedWay[];
  run(signal: AbortSignal): Promise<void>;
}

export interface ProbeDeps {
  readonly pinger: Pinger;
  readonly kernel: Pick<KernelNet, "lookup" | "links">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The trouble is another. */
  readonly onChange: () => void;
}

/** Of all probes together; with so many peers that this is not enough, the interval grows. */
const MOST_PER_SECOND = 100;
const LIMIT = seconds(1);
/** So that what nobody waits for any more is not in the way. */
const IDLE = seconds(1);
/** Between two looks at what there is to tell. */
const TELL_PAUSE = seconds(1);
/** The path is measured with the first answer, and then with every so many probes. */
const MEASURE_EVERY = 10;
/** Percent of the time between two probes. */
const JITTER = { min: 50, max: 150 } as const;

interface Probed {
  readonly lease: Lease;
  readonly ways: WayHistory[];
  round: number;
}

/** As asked for, and what they find is told by the board; null when not. */
export function probesOf({ probeInterval }: Pick<Options, "probeInterval">, means: Means): PeerProbes | null {
  const { pinger, board } = means;
  if (!pinger || !probeInterval) return null;
  const probes = createPeerProbes(probeInterval, { ...means, pinger, onChange: () => board.announce() });
  board.degrade("probes", probes.trouble);
  return probes;
}

/** `interval` is the time between two probes of one way. */
export function createPeerProbes(interval: Millis, deps: ProbeDeps): PeerProbes {
  let probed: ReadonlyMap<SubnetKey, Probed> = new Map();
  let carrier: string | null = null;
  const troubled: Troubled = new Map();
  const teller = createTeller(troubled, deps);
  const measuring = { isBusy: false };
  const probe = async ({ key, index }: Target, signal: AbortSignal) => {
    const peer = probed.get(key);
    if (!peer) return;
    await probeWay(peer, index, measuring, deps, signal);
    if (probed.get(key) !== peer) return;
    const judgement = judge(peer, carrier);
    if (judgement.verdict === "fine") troubled.delete(key);
    else troubled.set(key, judgement);
    teller.changed();
  };
  return {
    follow({ peers, network }) {
      carrier = carrierNameOf(network);
      probed = new Map(peers.map((lease) => [lease.key, keep(probed.get(lease.key), lease)]));
      for (const key of troubled.keys()) if (!probed.has(key)) troubled.delete(key);
      teller.changed();
    },
    trouble: () => troubleOf(troubled, probed.size),
    ways: (key) => (probed.get(key)?.ways ?? []).map((way) => ({ over: way.over, to: way.to, ...figuresOf(way) })),
    run(signal) {
      const rounds = (until: AbortSignal) => runRounds(() => targetsOf(probed), interval, probe, deps, until);
      return runTasks({ rounds, tell: teller.run }, signal);
    },
  };
}

/** Those that are not fine. */
type Troubled = Map<SubnetKey, PeerJudgement>;

/**
 * Tells whose state is another, at most once in a while: with many peers an answer comes every 10 ms. How many packets are
 * lost, and of how many peers, is not for telling each time; whoever asks gets the figures of then.
 */
function createTeller(troubled: Troubled, deps: ProbeDeps) {
  const complaint = createComplaint(
    { raised: "peers do not answer probes as they should", settled: "all peers answer probes" },
    deps,
  );
  const bell = createDoorbell();
  let told: { readonly gist: string; readonly reason: string } | null = null;
  const tell = () => {
    const worst = worstOf(troubled);
    const gist = worst && [worst.key, worst.verdict, worst.remedy].join(" ");
    const isNew = gist !== (told?.gist ?? null);
    if (isNew) told = worst && gist ? { gist, reason: worst.sentence ?? "" } : null;
    if (told === null) complaint.settle();
    else complaint.raise(told.reason, { peers: troubled.size });
    if (isNew) deps.onChange();
  };
  return {
    changed: () => bell.ring("changed"),
    async run(signal: AbortSignal): Promise<void> {
      for (;;) {
        await bell.wait(signal);
        tell();
        await deps.clock.sleep(TELL_PAUSE, signal);
      }
    },
  };
}

/** The first of the worst. */
function worstOf(troubled: Troubled): (PeerJudgement & { readonly key: SubnetKey }) | null {
  let first: SubnetKey | null = null;
  for (const [key, judgement] of troubled) {
    if (judgement.verdict === "broken") return { key, ...judgement };
    first ??= key;
  }
  const judgement = first && troubled.get(first);
  return first && judgement ? { key: first, ...judgement } : null;
}

/** One round after the other; each begins with whom there is then. An answer is not waited for before the next probe. */
async function runRounds(
  targets: () => Target[],
  interval: Millis,
  probe: (target: Target, signal: AbortSignal) => Promise<void>,
  { clock, random }: ProbeDeps,
  signal: AbortSignal,
): Promise<void> {
  using scope = childSignal(signal);
  setMaxListeners(0, scope.signal);
  const pending = new Set<Promise<void>>();
  const start = (target: Target) => {
    const running: Promise<void> = probe(target, scope.signal)
      .catch((error: unknown) => scope.abort(error))
      .finally(() => pending.delete(running));
    pending.add(running);
  };
  try {
    for (;;) {
      const round = shuffle(targets(), random);
      if (round.length === 0) await clock.sleep(IDLE, scope.signal);
      const spacing = Math.max(interval / Math.max(round.length, 1), 1000 / MOST_PER_SECOND);
      for (const target of round) {
        await clock.sleep(millis((spacing * random.integer(JITTER.min, JITTER.max)) / 100), scope.signal);
        start(target);
      }
    }
  } finally {
    await Promise.all(pending);
  }
}

/** What is known of a peer lasts while it has its addresses. */
function keep(known: Probed | undefined, lease: Lease): Probed {
  const addresses = peerAddresses(lease);
  const isSame =
    known?.ways.length === addresses.length && known.ways.every(({ to }, index) => to === addresses[index]?.ip);
  return known && isSame ? Object.assign(known, { lease }) : { lease, ways: addresses.map(startHistory), round: 0 };
}

interface Target {
  readonly key: SubnetKey;
  readonly index: number;
}

function targetsOf(probed: ReadonlyMap<SubnetKey, Probed>): Target[] {
  return [...probed].flatMap(([key, { ways }]) => ways.map((_, index) => ({ key, index })));
}

/** Fisher-Yates. */
function shuffle<T>(items: T[], random: Random): readonly T[] {
  for (let last = items.length - 1; last > 0; last--) {
    const other = random.integer(0, last);
    [items[last], items[other]] = [items[other] as T, items[last] as T];
  }
  return items;
}

async function probeWay(
  peer: Probed,
  index: number,
  measuring: { isBusy: boolean },
  { pinger, kernel }: ProbeDeps,
  signal: AbortSignal,
): Promise<void> {
  const way = peer.ways[index];
  if (!way) return;
  const outcome = await pinger.ping(way.to, SMALL_PACKET, LIMIT, signal);
  const update = (change: (history: WayHistory) => WayHistory) => {
    const history = peer.ways[index];
    if (history) peer.ways[index] = change(history);
  };
  update((history) => withOutcome(history, outcome));
  peer.round += 1;
  const isDue = way.path === null || peer.round % (MEASURE_EVERY * peer.ways.length) <= index;
  // One at a time: where packets vanish, it takes some dozens of them.
  if (outcome.kind !== "reply" || !isDue || measuring.isBusy) return;
  measuring.isBusy = true;
  try {
    const most = (await waysTo(peer.lease, kernel, signal)).find(({ ip }) => ip === way.to)?.most ?? null;
    if (most === null) return;
    const patience = patienceFor(outcome.rtt, LIMIT);
    const range = { works: SMALL_PACKET, most };
    const path = await findPathMtu(range, (size) => pinger.ping(way.to, size, patience, signal));
    update((history) => withPath(history, most, path));
  } catch (error) {
    // The kernel would not tell how large a packet may be: it is asked again with the next one.
    if (!isError(error, "netlink.errno")) throw error;
  } finally {
    measuring.isBusy = false;
  }
}

function judge({ lease, ways }: Probed, carrier: string | null): PeerJudgement {
  return judgePeer({ name: describePeer(lease), carrier, ways: ways.map(judgedWay) });
}

/** What carries the overlay, for people. */
function carrierNameOf({ backend }: NetworkConfig): string | null {
  const port = backendSettings(backend)["Port"];
  return typeof port === "number" ? `UDP port ${port}` : null;
}

/** The worst peer in a sentence, and how many others there are. */
function troubleOf(troubled: Troubled, peers: number): string | null {
  const worst = worstOf(troubled);
  if (!worst) return null;
  return troubled.size === 1 ? worst.sentence : `${worst.sentence} (and ${troubled.size - 1} more of ${peers} peers)`;
}
