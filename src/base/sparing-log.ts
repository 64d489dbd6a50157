// A log for what somebody else decides how often it happens: each message is written some times, and then once in a while.

import { type AllowanceOptions, createAllowance } from "./allowance.ts";
import type { Clock } from "./clock.ts";
import type { LogFields, Logger } from "./log.ts";

/** A line says with `unsaid` how many like it were not written since the last. */
export function createSparingLog(log: Logger, options: AllowanceOptions, clock: Pick<Clock, "monotonic">): Logger {
  const kinds = new Map<string, (write: Write, message: string, fields: LogFields) => void>();
  const createKind = () => {
    const allowance = createAllowance(options, clock);
    let unsaid = 0;
    return (write: Write, message: string, fields: LogFields) => {
      if (allowance.wait() > 0) {
        unsaid += 1;
        return;
      }
      allowance.take();
      write(message, unsaid > 0 ? { ...fields, unsaid } : fields);
      unsaid = 0;
    };
  };
  const sparing =
    (write: Write): Write =>
    (message, fields = {}) => {
      const kind = kinds.get(message) ?? createKind();
      kinds.set(message, kind);
      kind(write, message, fields);
    };
  return {
    error: sparing((...line) => log.error(...line)),
    warn: sparing((...line) => log.warn(...line)),
    info: sparing((...line) => log.info(...line)),
    debug: sparing((...line) => log.debug(...line)),
  };
}

type Write = (message: string, fields?: LogFields) => void;
