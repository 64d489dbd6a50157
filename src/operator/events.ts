// The command `events`: what has happened to the daemon, as its log would tell it.

import { addAbortListener } from "node:events";
import { FlannelError } from "../base/errors.ts";
import { childSignal } from "../base/signals.ts";
import type { DaemonCall } from "../cli/verbs.ts";
import { isOn } from "../cli/verbs.ts";
import { formatLine } from "../journal-text.ts";
import type { StatusEvent } from "../status/events.ts";
import { askDaemon, findDaemon, followDaemon } from "./daemons.ts";
import type { OperatorPorts } from "./verb.ts";

export async function showEvents(call: DaemonCall, ports: OperatorPorts, signal: AbortSignal): Promise<number> {
  const { out } = ports;
  const socket = await findDaemon(call, ports, signal);
  const show = (event: StatusEvent) => out.write(call.json ? `${JSON.stringify(event)}\n` : textOfEvent(event, ports));
  if (!isOn(call, "follow")) {
    const answer = await askDaemon(socket, { method: "GET", url: "/events" }, call, ports, signal);
    for (const event of (answer as { readonly events: readonly StatusEvent[] }).events) show(event);
    return 0;
  }
  using whole = childSignal(signal);
  using _ = addAbortListener(out.closed, () => whole.abort());
  using _reader = await out.watch();
  try {
    for await (const line of followDaemon(socket, "/events?follow", call, ports, whole.signal)) {
      show(JSON.parse(line) as StatusEvent);
    }
    throw new FlannelError("daemon.absent", {
      socket,
      reason: "it has ended, or events came faster than they were taken",
    });
  } catch (error) {
    // Whoever ends the process knows whether that is a failure.
    if (out.closed.aborted) return 0;
    throw error;
  }
}

function textOfEvent({ at, level, kind, fields }: StatusEvent, { out }: OperatorPorts): string {
  const line = JSON.stringify({ level, time: at, msg: kind, ...fields });
  return formatLine(line, out.style.isColoured ? "colour" : "plain");
}
