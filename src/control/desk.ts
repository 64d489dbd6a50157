// What may be asked of a running daemon, and told to it: everything that goes through the control socket.

import type { EventRing } from "../status/events.ts";
import type { DaemonStatus, LogLevel } from "../status/snapshot.ts";

export interface ControlDesk {
  status(): Promise<DaemonStatus>;
  readonly events: EventRing;
  readonly logLevel: LogLevelSwitch;
  /** Reads the files again that were replaced, as SIGHUP does. */
  reload(): void;
}

/** Of the journal, until the daemon ends. */
export interface LogLevelSwitch {
  get(): LogLevel;
  set(level: LogLevel): void;
}
