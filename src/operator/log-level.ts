// The command `log-level`: how much the daemon logs, and how much it shall until it ends.

import { FlannelError } from "../base/errors.ts";
import type { DaemonCall } from "../cli/verbs.ts";
import { LOG_LEVELS, type LogLevel } from "../status/snapshot.ts";
import { askDaemon, findDaemon } from "./daemons.ts";
import { printJson, printLines } from "./print.ts";
import type { OperatorPorts } from "./verb.ts";

interface Answer {
  readonly level: LogLevel;
  /** Of what was set. */
  readonly before?: LogLevel;
}

export async function logLevel(call: DaemonCall, ports: OperatorPorts, signal: AbortSignal): Promise<number> {
  const { out } = ports;
  const [wanted] = call.words;
  const known: readonly string[] = LOG_LEVELS;
  if (wanted !== undefined && !known.includes(wanted)) {
    const problem = `${JSON.stringify(wanted)} is no log level: there are ${known.join(", ")}`;
    throw new FlannelError("usage.invalid", { problems: [problem] });
  }
  const socket = await findDaemon(call, ports, signal);
  const question =
    wanted === undefined
      ? ({ method: "GET", url: "/log-level" } as const)
      : ({ method: "PUT", url: "/log-level", body: { level: wanted } } as const);
  const { level, before = level } = (await askDaemon(socket, question, call, ports, signal)) as Answer;
  if (call.json) printJson(out, { level, before });
  else printLines(out, [before === level ? level : `${level} (was ${before})`]);
  return 0;
}
