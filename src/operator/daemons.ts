// A command's way to the daemons of this host: which are meant, and one question to one of them, with a limit to the wait.

import { FlannelError } from "../base/errors.ts";
import { DeadlineExceeded, withDeadline } from "../base/signals.ts";
import { type DaemonCall, textOf } from "../cli/verbs.ts";
import type { ControlQuestion } from "../control/client.ts";
import { CONTROL_DIRECTORY } from "../control/path.ts";
import type { DaemonStatus } from "../status/snapshot.ts";
import type { OperatorPorts } from "./verb.ts";

/** Throws `daemon.absent` when there is none. */
export async function findDaemons(call: DaemonCall, { control }: OperatorPorts): Promise<readonly string[]> {
  const path = textOf(call, "socket") ?? CONTROL_DIRECTORY;
  const sockets = await control.find(path);
  if (sockets.length > 0) return sockets;
  const reason = "it is not running, or has another place for its socket (--control-socket, --subnet-file)";
  throw new FlannelError("daemon.absent", { socket: path, reason });
}

/** Throws `daemon.absent`, and `usage.invalid` when it is not clear which one is meant. */
export async function findDaemon(call: DaemonCall, ports: OperatorPorts): Promise<string> {
  const [first = "", ...others] = await findDaemons(call, ports);
  if (others.length === 0) return first;
  const choice = [first, ...others].map((socket) => `--socket=${socket}`).join(" or ");
  throw new FlannelError("usage.invalid", { problems: [`several daemons run on this host: say ${choice}`] });
}

/** Throws `daemon.absent` also when the answer takes longer than the call allows. */
export async function askDaemon(
  socket: string,
  question: ControlQuestion,
  { timeout }: DaemonCall,
  { control, clock }: OperatorPorts,
  signal: AbortSignal,
): Promise<unknown> {
  try {
    return await withDeadline(timeout, clock, signal, (scope) => control.ask(socket, question, scope));
  } catch (error) {
    if (!(error instanceof DeadlineExceeded)) throw error;
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
