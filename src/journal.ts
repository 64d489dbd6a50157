// The edge where log lines leave the program: pino for levels, redaction and JSON, a text form of our own for people,
// both on standard error. Also what is printed when the daemon cannot run at all.
// It has no files and no rotation: that is the journal's business.

import { fstatSync } from "node:fs";
import { isatty } from "node:tty";
import { pino } from "pino";
import { type Clock, systemClock } from "./base/clock.ts";
import { FlannelError } from "./base/errors.ts";
import type { Logger } from "./base/log.ts";
import { escapeAllButLines, wantsColour } from "./base/terminal-text.ts";
import type { LogOptions } from "./cli/options.ts";
import type { LogLevelSwitch } from "./control/desk.ts";
import { formatEntry } from "./journal-entry.ts";
import { type LogSink, type OutputFunctions, openPatientSink, type PatientSink, stallTrouble } from "./journal-sink.ts";
import { formatJsonLine, formatLine, type LineStyle, prioritized } from "./journal-text.ts";
import type { LogLevel } from "./status/snapshot.ts";

const STDERR = 2;

const DROPPED = "lines are missing here: for too long nobody read the log, or there was no room for it";

/** No field of the vocabulary holds a secret. This is for the day when somebody logs an object that does. */
const SECRETS = ["password", "*.password", "token", "*.token", "authorization", "*.authorization"];

export interface JournalDeps {
  readonly clock: Pick<Clock, "now">;
  readonly style: LineStyle;
  readonly sink: LogSink;
}

export interface Journal extends Logger {
  readonly level: LogLevelSwitch;
}

export function createJournal(options: LogOptions, deps: JournalDeps): Journal {
  const { clock } = deps;
  const logger = pino(
    {
      level: options.debug ? "debug" : "info",
      base: null,
      timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
      formatters: { level: (level) => ({ level }) },
      redact: { paths: SECRETS, censor: "[redacted]" },
    },
    { write: lineWriter(options, deps) },
  );
  // Not by its level: whoever reads errors alone must know that there were some.
  deps.sink.onDropped?.((count) => logger[logger.level === "error" ? "error" : "warn"]({ count }, DROPPED));
  return {
    error: (message, fields = {}) => logger.error(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    debug: (message, fields = {}) => logger.debug(fields, message),
    level: {
      get: () => logger.level as LogLevel,
      set: (level) => {
        logger.level = level;
      },
    },
  };
}

function lineWriter({ format }: LogOptions, { style, sink }: JournalDeps): (json: string) => void {
  const write = format === "json" ? formatJsonLine : formatLine;
  if (style !== "journal") return (json) => sink.write(write(json, style));
  return (json) => sink.write(write(json, style), Buffer.from(formatEntry(json, write(json, "bare").trimEnd())));
}

export interface StandardError {
  readonly style: LineStyle;
  readonly sink: PatientSink;
  /** What is the matter with it, which it cannot say itself; null when nothing is. */
  readonly trouble: () => string | null;
}

/** Of the daemon: what nobody reads does not hold it up. */
export function openStandardError(native: () => OutputFunctions): StandardError {
  const sink = openPatientSink(STDERR, native, systemClock);
  return { style: readLineStyle(process.env), sink, trouble: () => stallTrouble(sink.stalled()) };
}

/** Of a command: it waits for its reader, as others do. */
function openSink(): LogSink {
  const sink = pino.destination({ dest: STDERR, sync: true });
  // Nobody is left to be told.
  sink.on("error", () => {});
  return sink;
}

export function readLineStyle(env: Readonly<Record<string, string | undefined>>, fd = STDERR): LineStyle {
  if (isJournal(env["JOURNAL_STREAM"], fd)) return "journal";
  return isatty(fd) && wantsColour(env) ? "colour" : "plain";
}

/** systemd.exec(5): the variable names the journal's socket; it is inherited, so what we write to may be another. */
function isJournal(variable: string | undefined, fd: number): boolean {
  if (!variable) return false;
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return variable === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** What a person reads when the daemon could not start: sentences, and a stack only for a bug. */
export function formatFailure(error: unknown): string {
  const text =
    error instanceof FlannelError
      ? escapeAllButLines(error.message)
      : `this is a bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  return text.replaceAll(/^(?=.)/gm, "flanneld: ");
}

/** As errors: whoever asks the journal for these alone is to find why the service does not start. */
export function printFailure(
  error: unknown,
  sink: LogSink = openSink(),
  style: LineStyle = readLineStyle(process.env),
): void {
  for (const line of formatFailure(error).split("\n")) sink.write(`${prioritized(line, "error", style)}\n`);
}
