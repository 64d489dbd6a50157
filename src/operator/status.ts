// The command `status`: every daemon of this host on one screen.

import { exitStatusOf, FlannelError } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import type { DaemonCall } from "../cli/verbs.ts";
import type { DaemonStatus } from "../status/snapshot.ts";
import { askStatus, exitOf, findSockets } from "./daemons.ts";
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
  const { sockets, deserted } = await findSockets(call, ports, signal);
  const asked = await Promise.all(sockets.map((socket) => askOne(socket, call, ports, signal)));
  if (call.json) printJson(out, reportOf(asked, deserted));
  for (const [index, { socket, status, error }] of asked.entries()) {
    if (error) tell(err, error.message);
    if (call.json || !status) continue;
    if (asked.length > 1) printLines(out, [...(index > 0 ? [""] : []), out.style.faint(socket)]);
    printLines(out, formatStatus(status, out.style));
  }
  for (const socket of deserted) tell(err, `a killed daemon has left ${socket}: rm ${socket}`);
  return Math.max(...asked.map(({ status, error }) => (status ? exitOf(status) : exitStatusOf(error))));
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
function reportOf(asked: readonly Asked[], deserted: readonly string[]): Json {
  const daemons = asked.map(({ socket, status, error }) => ({
    socket,
    status: status as unknown as Json,
    error: error && failureJson(error).error,
  }));
  const failed = asked.every(({ status }) => status === null) ? (daemons[0]?.error ?? null) : null;
  return { daemons, deserted, ...(failed === null ? {} : { error: failed }) };
}
