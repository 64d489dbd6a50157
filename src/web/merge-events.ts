// The events of all hosts as one list, newest first. Pure.

import type { LogFields } from "../base/log.ts";
import type { HostAnswer } from "./facts.ts";
import type { OverlayEvent } from "./overlay.ts";

/** Of each level, so that a flood of the harmless does not push out the others. */
const MOST_OF_LEVEL = 100;

export function mergeEvents(answers: ReadonlyMap<string, HostAnswer>): readonly OverlayEvent[] {
  const all = [...answers].flatMap(([host, { events }]) => events.map((event) => ({ host, event })));
  all.sort((a, b) => compare(b.event.at, a.event.at) || compare(a.host, b.host) || b.event.seq - a.event.seq);
  const left = { error: MOST_OF_LEVEL, warn: MOST_OF_LEVEL, info: MOST_OF_LEVEL };
  return all
    .filter(({ event: { level } }) => left[level]-- > 0)
    .map(({ host, event: { at, level, kind, seq, fields } }) => {
      return { at, level, kind, host, seq, detail: formatFields(fields) };
    });
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function formatFields(fields: LogFields): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
}
