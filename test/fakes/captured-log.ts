// A logger that keeps what it was told.

import type { LogFields, Logger } from "../../src/base/log.ts";

export interface LogLine {
  readonly level: keyof Logger;
  readonly message: string;
  readonly fields: LogFields;
}

export interface CapturedLog extends Logger {
  readonly lines: readonly LogLine[];
  /** The messages of one level, or of all. */
  messages(level?: keyof Logger): readonly string[];
}

export function createCapturedLog(): CapturedLog {
  const lines: LogLine[] = [];
  const at =
    (level: keyof Logger) =>
    (message: string, fields: LogFields = {}) => {
      lines.push({ level, message, fields });
    };
  return {
    lines,
    messages: (level) => lines.filter((line) => !level || line.level === level).map(({ message }) => message),
    error: at("error"),
    warn: at("warn"),
    info: at("info"),
    debug: at("debug"),
  };
}
