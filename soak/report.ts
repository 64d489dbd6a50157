// What the soak prints: a line for each fault while it goes on, a table at the end, JSON for programs. Pure.

import { type Millis, millis } from "../src/base/brand.ts";
import { formatTable, type Style } from "../src/base/terminal-text.ts";
import type { Episode } from "./episode.ts";
import { describeNeeds, FAULT_KINDS, type Fault } from "./fault.ts";
import type { Judgement } from "./losses.ts";
import type { Left, Story } from "./story.ts";

/** All episodes of one fault. */
export interface FaultSummary {
  readonly fault: string;
  readonly times: number;
  readonly packets: Counts;
  /** How long after the event packets were still lost that it may cost, at most. */
  readonly longestOutage: Millis;
  readonly longestRecovery: Millis;
}

interface Counts {
  readonly sent: number;
  readonly lost: number;
  readonly shared: number;
  readonly excused: number;
  readonly underlayLost: number;
}

/** "address-lost on h2, 1.2 s; 4:07 left", or how many faults are left where those are counted. */
export function formatBegin(fault: string, host: string, duration: Millis, { time, turns }: Left): string {
  const rest = Math.max(0, Math.round(time / 1000));
  const clock = `${Math.floor(rest / 60)}:${`${rest % 60}`.padStart(2, "0")}`;
  return `${fault} on ${host}, ${secondsOf(duration)} s; ${turns === null ? clock : turns} left`;
}

/** "etcd-frozen on h2 for 8.2 s: all well after 0.4 s; 12345 packets, 0 lost" */
export function formatEpisode({ fault, host, lasted, recovery, packets }: Episode): string {
  const what = `${fault.padEnd(21)} ${host}  ${secondsOf(lasted).padStart(5)} s, well after ${secondsOf(recovery).padStart(5)} s`;
  return `${what}  ${String(packets.sent).padStart(6)} packets, ${formatLost(packets)}`;
}

function formatLost({ lost, shared, excused, outage, underlay }: Judgement): string {
  const notes = [
    ...(excused > 0 ? [`${excused} that the fault may cost, the last after ${preciselyOf(outage)} s`] : []),
    ...(shared > 0 ? [`${shared} with the underlay`] : []),
  ];
  const overlay = `${lost} lost${notes.length > 0 ? ` (${notes.join(", ")})` : ""}`;
  return underlay.lost > 0 ? `${overlay}; underlay ${underlay.lost} of ${underlay.sent} lost` : overlay;
}

/** In the order of their names. */
export function summarise(episodes: readonly Episode[]): readonly FaultSummary[] {
  const names = [...new Set(episodes.map(({ fault }) => fault))].sort();
  return names.map((fault) => {
    const own = episodes.filter((episode) => episode.fault === fault);
    return { fault, ...summariseAll(own) };
  });
}

function summariseAll(episodes: readonly Episode[]): Omit<FaultSummary, "fault"> {
  const longest = (duration: (episode: Episode) => number) => millis(Math.max(0, ...episodes.map(duration)));
  return {
    times: episodes.length,
    packets: countPackets(episodes),
    longestOutage: longest(({ packets }) => packets.outage),
    longestRecovery: longest(({ recovery }) => recovery),
  };
}

function countPackets(episodes: readonly Episode[]): Counts {
  const total = (count: (packets: Judgement) => number) =>
    episodes.reduce((sum, { packets }) => sum + count(packets), 0);
  return {
    sent: total(({ sent }) => sent),
    lost: total(({ lost }) => lost),
    shared: total(({ shared }) => shared),
    excused: total(({ excused }) => excused),
    underlayLost: total(({ underlay }) => underlay.lost),
  };
}

const HEADINGS = [
  ...["fault", "times", "packets", "lost", "may be lost", "underlay lost"],
  ...["longest outage, s", "longest recovery, s"],
];

export function formatStory(story: Story, style: Style): readonly string[] {
  const { backend, seed, episodes } = story;
  const row = ({ fault, times, packets, longestOutage, longestRecovery }: FaultSummary) => [
    ...[fault, `${times}`, `${packets.sent}`, `${packets.lost}`, `${packets.shared + packets.excused}`],
    ...[`${packets.underlayLost}`, preciselyOf(longestOutage), secondsOf(longestRecovery)],
  ];
  const rows = [...summarise(episodes), { fault: "all", ...summariseAll(episodes) }].map(row);
  return [
    "",
    style.heading(`${backend}, seed ${seed}`),
    ...formatTable([HEADINGS, ...rows]),
    "",
    verdict(story, style),
  ];
}

function verdict(story: Story, style: Style): string {
  const { backend, episodes, changes, interrupted, troubles } = story;
  if (troubles.length > 0) return style.bad(`${backend}: broken. Again with: npm run soak -- ${commandOf(story)}`);
  const held = `all held through ${episodes.length} faults; ${changes} changes of records were judged.`;
  return interrupted ? `${backend}: interrupted; until then ${held}` : style.good(`${backend}: ${held}`);
}

function commandOf({ backend, seed, members, firewall, choice }: Story): string {
  const more = [
    ...(members === 1 ? [] : [`--members ${members}`]),
    ...(firewall === "iptables" ? [] : [`--firewall ${firewall}`]),
  ];
  return [`--backend ${backend} --seed ${seed}`, ...more, ...choice].join(" ");
}

/** Why a story ended early: what broke, and the last words of everybody. */
export function formatTrouble({ troubles, lastLines }: Story): readonly string[] {
  return [...troubles.map((trouble) => `BROKEN: ${trouble}`), ...lastLines];
}

/** Times are in milliseconds. */
export function toJson(stories: readonly Story[]): object {
  return stories.map((story) => ({ ...story, held: story.troubles.length === 0, faults: summarise(story.episodes) }));
}

/** By kind, and what some of them need. */
export function formatFaults(faults: readonly Fault[]): readonly string[] {
  const width = Math.max(...faults.map(({ name }) => name.length));
  const line = (fault: Fault) => {
    const needs = describeNeeds(fault);
    return `  ${fault.name.padEnd(width)}  ${fault.summary}${needs && ` (${needs})`}`;
  };
  return FAULT_KINDS.flatMap((kind) => {
    const own = faults.filter((fault) => fault.kind === kind);
    return own.length === 0 ? [] : [kind, ...own.map(line)];
  });
}

function secondsOf(duration: Millis): string {
  return (duration / 1000).toFixed(1);
}

function preciselyOf(duration: Millis): string {
  return (duration / 1000).toFixed(2);
}
