// What the control socket answers: /status, /events, /log-level and /reload, as JSON. It knows no socket. Whatever is
// asked, nothing is changed but the log level, and nothing is read again but certificates.

import { messageOf } from "../base/errors.ts";
import { afterOf, BAD_AFTER } from "../status/events.ts";
import { LOG_LEVELS, type LogLevel } from "../status/snapshot.ts";
import type { ControlDesk } from "./desk.ts";

export interface ControlRequest {
  readonly method: string;
  /** As in the request line: "/events?after=12". */
  readonly url: string;
  readonly body: string;
}

export type ControlAnswer =
  | { readonly kind: "json"; readonly status: number; readonly body: object }
  /** Events after this one, and then each as it comes, until the asker has enough. */
  | { readonly kind: "follow"; readonly after: number };

const METHODS: ReadonlyMap<string, readonly string[]> = new Map([
  ["/status", ["GET"]],
  ["/events", ["GET"]],
  ["/log-level", ["GET", "PUT"]],
  ["/reload", ["POST"]],
]);

export async function answerControl({ method, url, body }: ControlRequest, desk: ControlDesk): Promise<ControlAnswer> {
  const [path = "", query = ""] = url.split("?", 2);
  const methods = METHODS.get(path);
  if (!methods) return refuse(404, `there is no ${path}; there are ${[...METHODS.keys()].join(", ")}`);
  if (!methods.includes(method)) return refuse(405, `${path} takes ${methods.join(" and ")}`);
  try {
    return await carryOut(path, method === "PUT" ? body : null, new URLSearchParams(query), desk);
  } catch (error) {
    return refuse(500, messageOf(error));
  }
}

/** `written`: what is to be put, or null. */
async function carryOut(
  path: string,
  written: string | null,
  query: URLSearchParams,
  desk: ControlDesk,
): Promise<ControlAnswer> {
  switch (path) {
    case "/events":
      return answerEvents(query, desk);
    case "/log-level":
      return written === null ? json({ level: desk.logLevel.get() }) : setLogLevel(written, desk);
    case "/reload":
      desk.reload();
      return json({ reloading: true });
    default:
      return json(await desk.status());
  }
}

function answerEvents(query: URLSearchParams, { events }: ControlDesk): ControlAnswer {
  const after = afterOf(query);
  if (after === null) return refuse(400, BAD_AFTER);
  return query.has("follow") ? { kind: "follow", after } : json({ events: events.after(after) });
}

function setLogLevel(text: string, { logLevel }: ControlDesk): ControlAnswer {
  const level = readLevel(text);
  if (level === null) return refuse(400, `the level must be one of ${LOG_LEVELS.join(", ")}`);
  const before = logLevel.get();
  logLevel.set(level);
  return json({ level, before });
}

function readLevel(text: string): LogLevel | null {
  try {
    const { level } = JSON.parse(text) as { readonly level?: unknown };
    return LOG_LEVELS.find((known) => known === level) ?? null;
  } catch {
    return null;
  }
}

function json(body: object): ControlAnswer {
  return { kind: "json", status: 200, body };
}

function refuse(status: number, error: string): ControlAnswer {
  return { kind: "json", status, body: { error } };
}
