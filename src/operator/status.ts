// The command `status`: every daemon of this host on one screen.

import type { EpochMillis } from "../base/brand.ts";
import { exitStatusOf, FlannelError } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import { escapeControls } from "../base/terminal-text.ts";
import type { DaemonCall } from "../cli/verbs.ts";
import type { FoundNote } from "../control/end-note.ts";
import type { DaemonStatus } from "../status/snapshot.ts";
import { ageOf, askStatus, endedError, exitOf, type FoundSockets, findSockets } from "./daemons.ts";
import { failureJson } from "./failure.ts";
import { printJson, printLines, tell } from "./print.ts";
import { formatStatus } from "./status-text.ts";
import type { OperatorPorts } from "./verb.ts";

interface Asked {
  readonly socket: string;
  readonly status: DaemonStatus | null;
  /** Why there is none. */
  readonly error: FlannelError | null;
}

export async function showStatus(call: DaemonCall, ports: OperatorPorts, signal: AbortSignal): Promise<number> {
  const { out, err } = ports;
  const found = await findSockets(call, ports, signal);
  const { sockets, deserted, notes } = found;
  const asked = await Promise.all(sockets.map((socket) => askOne(socket, call, ports, signal)));
  const now = ports.clock.now();
  if (call.json) printJson(out, reportOf(asked, found));
  for (const [index, { socket, status, error }] of asked.entries()) {
    if (error) tell(err, error.message);
    if (call.json || !status) continue;
    if (asked.length > 1) printLines(out, [...(index > 0 ? [""] : []), out.style.faint(socket)]);
    printLines(out, [
      ...formatStatus(status, out.style, askingFlags(socket, asked, call)),
      ...formatRefusals(refusalsBy(status, notes, now), now, out),
    ]);
  }
  // Those of other networks have ended, and keep nobody's status from being a good one.
  for (const note of notes.filter(({ kind, socket }) => kind === "ended" && !sockets.includes(socket))) {
    tell(err, endedError(note, now).message);
  }
  for (const socket of deserted) tell(err, `a killed daemon has left ${socket}: rm ${socket}`);
  return Math.max(...asked.map(({ status, error }) => (status ? exitOf(status) : exitStatusOf(error))));
}

/** A command that is told asks the same daemon, also where it would have several to choose from. */
function askingFlags(socket: string, asked: readonly Asked[], { asking }: DaemonCall): readonly string[] {
  return asked.length > 1 || asking.length > 0 ? [`--socket=${socket}`] : [];
}

/** One that does not answer keeps nobody from hearing of the others. */
async function askOne(socket: string, call: DaemonCall, ports: OperatorPorts, signal: AbortSignal): Promise<Asked> {
  try {
    return { socket, status: await askStatus(socket, call, ports, signal), error: null };
  } catch (error) {
    if (!(error instanceof FlannelError)) throw error;
    return { socket, status: null, error };
  }
}

/** With an error of the whole when no daemon has answered, as of every command. */
function reportOf(asked: readonly Asked[], { deserted, notes }: FoundSockets): Json {
  const daemons = asked.map(({ socket, status, error }) => ({
    socket,
    status: status as unknown as Json,
    error: error && failureJson(error).error,
  }));
  const failed = asked.every(({ status }) => status === null) ? (daemons[0]?.error ?? null) : null;
  const left = notes.map((note) => ({ ...note }));
  return { daemons, deserted, notes: left, ...(failed === null ? {} : { error: failed }) };
}

/** Whoever looks later than this has seen to it, or does not mind. */
const REFUSAL_TOLD_MILLIS = 24 * 3_600_000;

/** Starts that were refused because this daemon has the network. */
function refusalsBy({ process }: DaemonStatus, notes: readonly FoundNote[], now: EpochMillis): readonly FoundNote[] {
  return notes.filter(
    ({ kind, holder, at }) =>
      kind === "refused" && holder === process.pid && now - Date.parse(at) < REFUSAL_TOLD_MILLIS,
  );
}

function formatRefusals(notes: readonly FoundNote[], now: EpochMillis, { style }: OperatorPorts["out"]) {
  if (notes.length === 0) return [];
  const lines = notes.map((note) => `  ${ageOf(note, now)} ago  ${escapeControls(note.message)}`);
  return [style.bad("a second start was refused"), ...lines];
}
