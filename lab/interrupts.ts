// How the commands that use a lab end: in order, when they are told to.

import { setMaxListeners } from "node:events";

/**
 * Aborts with the first SIGINT, SIGTERM or SIGHUP. npm passes a signal on that the terminal has sent already, so a
 * second one means nothing.
 */
export function abortOnSignals(): AbortSignal {
  const controller = new AbortController();
  // Twenty daemons are waited for under this one signal.
  setMaxListeners(0, controller.signal);
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => controller.abort());
  return controller.signal;
}
