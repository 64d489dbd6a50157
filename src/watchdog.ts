// Feeds systemd's watchdog from the reconciler's loop alone: a daemon whose loop hangs is restarted, however well the
// rest of it answers. See sd_watchdog_enabled(3).

import { type Millis, millis, seconds } from "./base/brand.ts";
import type { Pulse } from "./net/reconciler.ts";
import type { Ports } from "./ports.ts";
import type { StatusBoard } from "./status-board.ts";

/** Without a watchdog the loop comes round when the kernel is read, and the status is told then. */
const UNWATCHED = seconds(60);

/** Null when nobody watches this process. The variables are removed, so that children do not speak in our name. */
export function takeWatchdog(env: Record<string, string | undefined>, pid: number): Millis | null {
  const { WATCHDOG_USEC: micros, WATCHDOG_PID: watched } = env;
  delete env["WATCHDOG_USEC"];
  delete env["WATCHDOG_PID"];
  if (watched && Number(watched) !== pid) return null;
  const limit = Number(micros) / 1000;
  return limit >= 1 && Number.isFinite(limit) ? millis(limit) : null;
}

/** sd_watchdog_enabled(3) advises half of the time that is allowed; a third forgives one that comes late. */
export function createPulse({
  watchdog,
  notify,
  board,
}: Pick<Ports, "watchdog" | "notify"> & { readonly board: Pick<StatusBoard, "announce"> }): Pulse {
  return {
    interval: watchdog === null ? UNWATCHED : millis(watchdog / 3),
    beat() {
      board.announce();
      if (watchdog !== null) notify("WATCHDOG=1");
    },
  };
}
