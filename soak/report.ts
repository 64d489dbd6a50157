// What the soak prints: a line for each fault while it goes on, a table at the end, JSON for programs. Pure.

import { type Millis, millis } from "../src/base/brand.ts";
import { formatTable, type Style } from "../src/base/terminal-text.ts";
import type { Fault } from "./fault.ts";
import type { Judgement } from "./losses.ts";
import type { Episode, Story } from "./story.ts";

/** All episodes of one fault. */
export interface FaultSummary {
  readonly fault: string;
  readonly times: number;
  readonly packets: Counts;
  readonly longestRecovery: Millis;
}

interface Counts {
  readonly sent: number;
  readonly lost: number;
  readonly shared: number;
  readonly excused: number;
  readonly underlayLost: number;
}

/** "etcd-frozen on h2 for 8.2 s: all well after 0.4 s; 12345 packets, 0 lost" */
export function formatEpisode({ fault, host, lasted, recovery, packets }: Episode): string {
  const what = `${fault.padEnd(21)} ${host}  ${secondsOf(lasted).padStart(5)} s, well after ${secondsOf(recovery).padStart(5)} s`;
  return `${what}  ${String(packets.sent).padStart(6)} packets, ${formatLost(packets)}`;
}

function formatLost({ lost, shared, excused, underlay }: Judgement): string {
  const notes = [
    ...(excused > 0 ? [`${excused} that the fault may cost`] : []),
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
    return {
      fault,
      times: own.length,
      packets: countPackets(own),
      longestRecovery: millis(Math.max(...own.map(({ recovery }) => recovery))),
    };
  });
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

const HEADINGS = ["fault", "times", "packets", "lost", "may be lost", "underlay lost", "longest recovery, s"];

export function formatStory(
  { backend, seed, members, episodes, changes, troubles }: Story,
  style: Style,
): readonly string[] {
  const row = (name: string, times: number, packets: Counts, longest: Millis) => [
    ...[name, `${times}`, `${packets.sent}`, `${packets.lost}`, `${packets.shared + packets.excused}`],
    ...[`${packets.underlayLost}`, secondsOf(longest)],
  ];
  const rows = summarise(episodes).map(({ fault, times, packets, longestRecovery }) =>
    row(fault, times, packets, longestRecovery),
  );
  const longest = millis(Math.max(0, ...episodes.map(({ recovery }) => recovery)));
  const all = row("all", episodes.length, countPackets(episodes), longest);
  const again = `--backend ${backend} --seed ${seed}${members === 1 ? "" : ` --members ${members}`}`;
  const verdict =
    troubles.length === 0
      ? style.good(`${backend}: all held through ${episodes.length} faults; ${changes} changes of records were judged.`)
      : style.bad(`${backend}: broken. Again with: npm run soak -- ${again}`);
  return ["", style.heading(`${backend}, seed ${seed}`), ...formatTable([HEADINGS, ...rows, all]), "", verdict];
}

/** Why a story ended early: what broke, and the last words of everybody. */
export function formatTrouble({ troubles, lastLines }: Story): readonly string[] {
  return [...troubles.map((trouble) => `BROKEN: ${trouble}`), ...lastLines];
}

/** Times are in milliseconds. */
export function toJson(stories: readonly Story[]): object {
  return stories.map((story) => ({ ...story, held: story.troubles.length === 0, faults: summarise(story.episodes) }));
}

export function formatFaults(faults: readonly Fault[]): readonly string[] {
  return formatTable(
    faults.map(({ name, summary, fewestMembers }) => [
      name,
      fewestMembers === undefined ? summary : `${summary} (--members ${fewestMembers})`,
    ]),
  );
}

function secondsOf(duration: Millis): string {
  return (duration / 1000).toFixed(1);
}
