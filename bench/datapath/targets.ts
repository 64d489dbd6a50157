// What the project has promised of its data path, and whether a run has kept it. Pure.

import type { Verdict } from "../tables.ts";
import {
  compareRounds,
  type Figures,
  findResult,
  type Measure,
  type PathResult,
  ratioOf,
  type Spread,
  spreadOf,
  summarise,
} from "./figures.ts";
import { REFERENCE } from "./paths.ts";

/** Of a path's figure over another's of the same round. */
interface RatioTarget {
  readonly what: string;
  readonly path: string;
  readonly than: string;
  readonly measure: Measure;
  readonly least: number;
  /** For two paths that ought to be equal: a round in which it was not slower shows that the others were noise. */
  readonly allowNoise: boolean;
}

const OWN_TARGETS: readonly RatioTarget[] = [
  ratio("udp", REFERENCE, "tcpGigabitsPerSecond", "one TCP stream", 0.8),
  { ...ratio("vxlan", "vxlan by hand", "tcpGigabitsPerSecond", "one TCP stream", 0.95), allowNoise: true },
  { ...ratio("host-gw", "host-gw by hand", "tcpGigabitsPerSecond", "one TCP stream", 0.95), allowNoise: true },
  { ...ratio("vxlan counted", "vxlan", "tcpGigabitsPerSecond", "one TCP stream", 0.95), allowNoise: true },
  { ...ratio("host-gw counted", "host-gw", "tcpGigabitsPerSecond", "one TCP stream", 0.95), allowNoise: true },
];

interface PeerTarget extends RatioTarget {
  /** What the Go flanneld 0.20.2 received on a machine as in docs/performance.md: to look at, not to be judged by. */
  readonly published: number;
}

const PEER_TARGETS: readonly PeerTarget[] = [
  { ...ratio("udp", "udp PEER", "udp1400Received", "1,400-byte packets received", 4), published: 16_000 },
  { ...ratio("udp", "udp PEER", "udp64Received", "64-byte packets received", 1.2), published: 79_000 },
];

function ratio(path: string, than: string, measure: Measure, what: string, least: number): RatioTarget {
  return { what, path, than, measure, least, allowNoise: false };
}

/** Only the targets of which all paths were asked for. */
export function judge(results: readonly PathResult[], hasPeer: boolean): readonly Verdict[] {
  const asked = (...names: readonly string[]) => names.every((name) => findResult(results, name) !== null);
  const askedFor = ({ path, than }: RatioTarget) => asked(path, than);
  return [
    ...OWN_TARGETS.filter(askedFor).map((target) => judgeRatio(results, target)),
    ...(asked("udp", REFERENCE) ? [judgeRoundTrips(results)] : []),
    ...(hasPeer
      ? PEER_TARGETS.filter(askedFor).map((target) => judgeRatio(results, target))
      : PEER_TARGETS.filter(({ path }) => asked(path)).map((target) => compareWithPublished(results, target))),
  ];
}

/** What is further below is not noise, however fast one round was. */
const LEAST_NOISY = 0.9;

function judgeRatio(results: readonly PathResult[], target: RatioTarget): Verdict {
  const { path, than, least, measure, allowNoise, what } = target;
  const sentence = `${path}: ${what} at least ${least} times ${than}`;
  const found = ratioOf(findResult(results, path), findResult(results, than), measure);
  if (found === null) return unknown(sentence, results, [path, than]);
  const noise = allowNoise && found.median < least && found.median >= LEAST_NOISY && found.high >= 1;
  const met = found.median >= least || noise;
  const detail = `${formatSpread(found)}${noise ? ", which is within the noise" : ""}`;
  return { target: sentence, outcome: met ? "met" : "missed", detail, information: null };
}

/** In microseconds: a user-space hop may wake two processes, and that has a price whatever the kernel's path costs. */
const ROUND_TRIP_FACTOR = 1.5;
const ROUND_TRIP_EXTRA = 40;

function judgeRoundTrips(results: readonly PathResult[]): Verdict {
  const target = `udp: median round trip at most ${ROUND_TRIP_FACTOR} times vxlan + ${ROUND_TRIP_EXTRA} µs`;
  const [udp, vxlan] = [findResult(results, "udp"), findResult(results, REFERENCE)];
  const most = (others: Figures) => ROUND_TRIP_FACTOR * others.rttP50 + ROUND_TRIP_EXTRA;
  const excess = spreadOf(compareRounds(udp, vxlan, (figures, others) => figures.rttP50 - most(others)));
  const limit = spreadOf(compareRounds(udp, vxlan, (_, others) => most(others)));
  if (excess === null || limit === null) return unknown(target, results, ["udp", REFERENCE]);
  const taken = summarise(udp, "rttP50")?.median ?? Number.NaN;
  const detail = `${taken.toFixed(0)} µs, at most ${limit.median.toFixed(0)} µs`;
  return { target, outcome: excess.median <= 0 ? "met" : "missed", detail, information: null };
}

function compareWithPublished(results: readonly PathResult[], target: PeerTarget): Verdict {
  const { path, measure, published, least, what } = target;
  const measured = summarise(findResult(results, path), measure);
  const times = measured && (measured.median / published).toFixed(1);
  const go = `the ${published.toLocaleString("en")}/s of the Go flanneld 0.20.2 in docs/performance.md`;
  return {
    target: `${path}: ${what} at least ${least} times udp PEER`,
    outcome: "unknown",
    detail: "no PEER was given",
    information: times && `For information: this run received ${times} times ${go}.`,
  };
}

function unknown(target: string, results: readonly PathResult[], names: readonly string[]): Verdict {
  const missing = names.filter((name) => summarise(findResult(results, name), "tcpGigabitsPerSecond") === null);
  return { target, outcome: "unknown", detail: `not measured: ${missing.join(", ")}`, information: null };
}

function formatSpread({ median, low, high }: Spread): string {
  return low === high ? median.toFixed(2) : `${median.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
}

/** 2 when something has failed, else 1 when a target was missed. A backend that is not built is neither. */
export function exitStatus(results: readonly PathResult[], verdicts: readonly Verdict[]): 0 | 1 | 2 {
  if (results.some(({ trouble }) => trouble?.kind === "failed")) return 2;
  return verdicts.some(({ outcome }) => outcome === "missed") ? 1 : 0;
}
