// What the health port tells of the snapshot and the events: what the control socket does, without the settings, and
// nothing can be changed through it. Pure but for whom it asks.

import { messageOf } from "../base/errors.ts";
import { afterOf, BAD_AFTER, type EventRing, type StatusEvent } from "./events.ts";
import type { DaemonStatus } from "./snapshot.ts";

export interface ReportSources {
  readonly status: () => Promise<DaemonStatus>;
  readonly events: Pick<EventRing, "after">;
}

/** The snapshot as whoever reaches the port may read it. */
export type PublicStatus = Omit<DaemonStatus, "options">;

export interface ReportAnswer {
  readonly status: number;
  readonly body: PublicStatus | { readonly events: readonly StatusEvent[] } | { readonly error: string };
}

export function isReportPath(path: string): boolean {
  return path === "/status" || path === "/events";
}

/** Of one of those paths. `?peers=troubled` leaves out the peers on which all is well: of a thousand they are most. */
export async function answerReport(url: string, sources: ReportSources): Promise<ReportAnswer> {
  const [path = "", query = ""] = url.split("?", 2);
  const asked = new URLSearchParams(query);
  try {
    return path === "/events" ? answerEvents(asked, sources) : await answerStatus(asked, sources);
  } catch (error) {
    return { status: 500, body: { error: messageOf(error) } };
  }
}

async function answerStatus(asked: URLSearchParams, { status }: ReportSources): Promise<ReportAnswer> {
  const { options: _, ...known } = await status();
  const isAll = asked.get("peers") !== "troubled";
  const peers = isAll ? known.peers : known.peers.filter(({ state }) => state !== "programmed");
  return { status: 200, body: { ...known, peers } };
}

function answerEvents(asked: URLSearchParams, { events }: ReportSources): ReportAnswer {
  const after = afterOf(asked);
  if (after === null) return { status: 400, body: { error: BAD_AFTER } };
  return { status: 200, body: { events: events.after(after) } };
}
