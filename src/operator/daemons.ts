// A command's way to the daemons of this host: which are meant, and one question to one of them, with a limit to the wait.

import { addAbortListener } from "node:events";
import { type EpochMillis, millis } from "../base/brand.ts";
import { formatDuration } from "../base/duration.ts";
import { FlannelError, isError } from "../base/errors.ts";
import { childSignal, DeadlineExceeded, withDeadline } from "../base/signals.ts";
import { type DaemonCall, textOf } from "../cli/verbs.ts";
import { type ControlQuestion, ENDED, NONE_HERE } from "../control/client.ts";
import type { EndNote, FoundNote } from "../control/end-note.ts";
import { CONTROL_DIRECTORY } from "../control/path.ts";
import type { DaemonStatus } from "../status/snapshot.ts";
import type { OperatorPorts } from "./verb.ts";

export interface FoundSockets {
  /** At least one. Without a live one all, or where one was: asking says what is wrong. */
  readonly sockets: readonly string[];
  /** Beside a live one those that nobody listens on: left by daemons that were killed. */
  readonly deserted: readonly string[];
  /** What daemons that ended with an error have left, newest first. */
  readonly notes: readonly FoundNote[];
}

/** Throws `daemon.absent` when there is none. */
export async function findSockets(call: DaemonCall, ports: OperatorPorts, signal: AbortSignal): Promise<FoundSockets> {
  const { control } = ports;
  const path = textOf(call, "socket") ?? CONTROL_DIRECTORY;
  const [found, notes] = await Promise.all([control.find(path), control.notes(path)]);
  if (found.length === 0) {
    const ended = notes.filter(({ kind }) => kind === "ended").map(({ socket }) => socket);
    if (ended.length > 0) return { sockets: ended, deserted: [], notes };
    throw new FlannelError("daemon.absent", { socket: path, reason: NONE_HERE });
  }
  if (found.length === 1) return { sockets: found, deserted: [], notes };
  const looks = await Promise.all(
    found.map(async (socket) => ({ socket, isDeserted: await control.isDeserted(socket, signal) })),
  );
  const deserted = looks.filter(({ isDeserted }) => isDeserted).map(({ socket }) => socket);
  if (deserted.length === found.length) return { sockets: found, deserted: [], notes };
  return { sockets: found.filter((socket) => !deserted.includes(socket)), deserted, notes };
}

/** Throws `daemon.absent` when there is none. */
export async function findDaemons(
  call: DaemonCall,
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<readonly string[]> {
  return (await findSockets(call, ports, signal)).sockets;
}

/** Throws `daemon.absent`, and `usage.invalid` when it is not clear which one is meant. */
export async function findDaemon(call: DaemonCall, ports: OperatorPorts, signal: AbortSignal): Promise<string> {
  const [first = "", ...others] = await findDaemons(call, ports, signal);
  if (others.length === 0) return first;
  const choice = [first, ...others].map((socket) => `--socket=${socket}`).join(" or ");
  throw new FlannelError("usage.invalid", { problems: [`several daemons run on this host: say ${choice}`] });
}

/** Throws `daemon.absent` also when the answer takes longer than the call allows. */
export function askDaemon(
  socket: string,
  question: ControlQuestion,
  call: DaemonCall,
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<unknown> {
  return inTime(socket, call, ports, signal, (scope) => ports.control.ask(socket, question, scope));
}

/** Where nobody is: how the last one has ended, if it has said so. */
async function explained(error: unknown, socket: string, { control, clock }: OperatorPorts): Promise<unknown> {
  if (!isError(error, "daemon.absent") || (error.info.reason !== NONE_HERE && error.info.reason !== ENDED)) {
    return error;
  }
  const note = (await control.notes(socket)).find(({ kind }) => kind === "ended");
  return note ? endedError(note, clock.now()) : error;
}

export function endedError(note: FoundNote, now: EpochMillis): FlannelError {
  const { socket, status, message } = note;
  const reason = `it ended ${ageOf(note, now)} ago with status ${status}: ${message}`;
  return new FlannelError("daemon.absent", { socket, reason });
}

export function ageOf({ at }: EndNote, now: EpochMillis): string {
  return formatDuration(millis(Math.max(0, Math.floor((now - Date.parse(at)) / 1000) * 1000)));
}

/** The call's limit is for the first answer: what comes then may take its time. Throws as askDaemon. */
export async function* followDaemon(
  socket: string,
  url: string,
  call: DaemonCall,
  ports: OperatorPorts,
  signal: AbortSignal,
): AsyncGenerator<string> {
  using whole = childSignal(signal);
  yield* await inTime(socket, call, ports, signal, async (limit) => {
    using _ = addAbortListener(limit, () => whole.abort(limit.reason));
    return await ports.control.follow(socket, url, whole.signal);
  });
}

async function inTime<T>(
  socket: string,
  { timeout }: DaemonCall,
  ports: OperatorPorts,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  try {
    return await withDeadline(timeout, ports.clock, signal, work);
  } catch (error) {
    if (!(error instanceof DeadlineExceeded)) throw await explained(error, socket, ports);
    const reason = `no answer within ${timeout / 1000} s (--timeout waits longer)`;
    throw new FlannelError("daemon.absent", { socket, reason });
  }
}

/** Throws as `askDaemon`, and `request.refused` for what is no status. */
export async function askStatus(
  socket: string,
  call: DaemonCall,
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<DaemonStatus> {
  const answer = await askDaemon(socket, { method: "GET", url: "/status" }, call, ports, signal);
  if (isStatus(answer)) return answer;
  const reason = `what answers at ${socket} is no flanneld, or of another version`;
  throw new FlannelError("request.refused", { reason, hint: null });
}

function isStatus(answer: unknown): answer is DaemonStatus {
  return typeof answer === "object" && answer !== null && "schema" in answer && answer.schema === 1;
}

/** What a script goes by: 0 fine, 1 degraded, 2 broken. */
export function exitOf({ state }: Pick<DaemonStatus, "state">): number {
  switch (state) {
    case "ready":
      return 0;
    case "degraded":
      return 1;
    case "not ready":
      return 2;
  }
}
