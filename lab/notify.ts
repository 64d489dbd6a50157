// Stands where systemd would: a real listener on a notification socket, which Node cannot open.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type EpochMillis, seconds } from "../src/base/brand.ts";
import { systemClock } from "../src/base/clock.ts";
import { compiledProgram } from "./compiled.ts";
import { waitFor } from "./wait.ts";

export interface Notification {
  /** Assignments such as "READY=1", separated by blanks. */
  readonly text: string;
  readonly at: EpochMillis;
}

export interface NotifyListener extends Disposable {
  /** For NOTIFY_SOCKET. */
  readonly socket: string;
  readonly received: readonly Notification[];
  waitFor(pattern: RegExp, signal: AbortSignal): Promise<Notification>;
}

const LIMIT = seconds(30);

export async function listenForNotifications(directory: string, signal: AbortSignal): Promise<NotifyListener> {
  const socket = join(directory, "notify.sock");
  const child = spawn(compiledProgram("notify-listener"), [socket], { stdio: ["ignore", "pipe", "inherit"] });
  const stop = () => void child.kill("SIGKILL");
  process.on("exit", stop);
  const received: Notification[] = [];
  createInterface({ input: child.stdout }).on("line", (text) => received.push({ text, at: systemClock.now() }));
  const look = (pattern: RegExp) => () => received.find(({ text }) => pattern.test(text)) ?? null;
  await waitFor("the notification listener", look(/^listening$/), LIMIT, signal);
  return {
    socket,
    received,
    waitFor: (pattern) => waitFor(`the notification ${pattern}`, look(pattern), LIMIT, signal),
    [Symbol.dispose]: () => {
      process.removeListener("exit", stop);
      stop();
    },
  };
}
