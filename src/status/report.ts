// What the health port tells of the snapshot and the events: what the control socket does, without the settings, and
// nothing can be changed through it. Pure but for whom it asks.

import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { shareAnswers } from "../base/share-answers.ts";
import { afterOf, BAD_AFTER, type EventRing, type StatusEvent } from "./events.ts";
import type { DaemonStatus } from "./snapshot.ts";

export interface ReportSources {
  readonly status: () => Promise<DaemonStatus>;
  readonly events: Pick<EventRing, "after">;
}

/** The snapshot as whoever reaches the port may read it. */
export type PublicStatus = Omit<DaemonStatus, "options">;

/** `body` is a line of JSON. */
export interface ReportAnswer {
  readonly status: number;
  readonly body: string;
}

/** Answers one of the paths. `?peers=troubled` leaves out the peers on which all is well: of a thousand they are most. */
export type ReportSource = (url: string) => Promise<ReportAnswer>;

export function isReportPath(path: string): boolean {
  return path === "/status" || path === "/events";
}

/** The snapshot, which is some work, is shared; events are in memory, and each who asks has seen others. */
export function createReport({ status, events }: ReportSources, clock: Pick<Clock, "monotonic">): ReportSource {
  const snapshot = shareAnswers(
    async (peers: "all" | "troubled") => jsonLine(reportStatus(peers, await status())),
    clock,
  );
  return async (url) => {
    const [path = "", query = ""] = url.split("?", 2);
    const asked = new URLSearchParams(query);
    if (path === "/events") return answerEvents(asked, events);
    try {
      return { status: 200, body: await snapshot(asked.get("peers") === "troubled" ? "troubled" : "all") };
    } catch (error) {
      return { status: 500, body: jsonLine({ error: messageOf(error) }) };
    }
  };
}

function reportStatus(peers: "all" | "troubled", { options: _, ...known }: DaemonStatus): PublicStatus {
  if (peers === "all") return known;
  return { ...known, peers: known.peers.filter(({ state }) => state !== "programmed") };
}

function answerEvents(asked: URLSearchParams, events: ReportSources["events"]): ReportAnswer {
  const after = afterOf(asked);
  if (after === null) return { status: 400, body: jsonLine({ error: BAD_AFTER }) };
  return { status: 200, body: jsonLine({ events: events.after(after) }) };
}

function jsonLine(
  value: PublicStatus | { readonly events: readonly StatusEvent[] } | { readonly error: string },
): string {
  return `${JSON.stringify(value)}\n`;
}
