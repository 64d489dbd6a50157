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
import { formatJsonLine, formatLine, type LineStyle, prioritized } from "./journal-text.ts";
import type { LogLevel } from "./status/snapshot.ts";

const STDERR = 2;

/**
 * So much of what cannot be written, as on a full disk, is kept; what comes after is dropped until it can be. Who holds
 * the other end of a pipe and does not read stops the program.
 */
const BACKLOG_BYTES = 1024 * 1024;

/** No field of the vocabulary holds a secret. This is for the day when somebody logs an object that does. */
const SECRETS = ["password", "*.password", "token", "*.token", "authorization", "*.authorization"];

export interface LogSink {
  write(line: string): void;
}

/** Takes an entry in the journal's native protocol; false when it cannot. */
export type SendEntry = (entry: Buffer) => boolean;

export interface JournalDeps {
  readonly clock: Pick<Clock, "now">;
  readonly style: LineStyle;
  readonly sink: LogSink;
  /** Of systemd's journal, when that is where the lines go. */
  readonly sendEntry?: SendEntry;
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

/** What the journal does not take goes there as a line, like the last words of a process that is ending in disorder. */
function lineWriter({ format }: LogOptions, { style, sink, sendEntry }: JournalDeps): (json: string) => void {
  const write = format === "json" ? formatJsonLine : formatLine;
  return (json) => {
    if (!sendEntry?.(Buffer.from(formatEntry(json, write(json, "bare").trimEnd())))) sink.write(write(json, style));
  };
}

/** To standard error, and to the journal when that is where standard error goes. */
export function standardError(send: SendDatagram): JournalDeps {
  const style = readLineStyle(process.env);
  const deps = { clock: systemClock, style, sink: openSink(STDERR) };
  return style === "journal" ? { ...deps, sendEntry: (entry) => sends(send, entry) } : deps;
}

/** Throws when it cannot be sent. */
export type SendDatagram = (path: string, bytes: Buffer) => void;

/** systemd-journald.service(8); of a journal namespace it is in the same place. */
const JOURNAL_SOCKET = "/run/systemd/journal/socket";

function sends(send: SendDatagram, entry: Buffer): boolean {
  try {
    send(JOURNAL_SOCKET, entry);
    return true;
  } catch {
    // Too long, or nobody reads: what systemd gave us for standard error is still there.
    return false;
  }
}

/** Synchronous: a line is out before the program goes on, so that nothing is lost when it ends. */
export function openSink(fd: number): LogSink {
  const sink = pino.destination({ dest: fd, sync: true, maxLength: BACKLOG_BYTES });
  // A full disk or a reader that has gone away must not end the network of a host. Nobody is left to be told.
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
  sink: LogSink = openSink(STDERR),
  style: LineStyle = readLineStyle(process.env),
): void {
  for (const line of formatFailure(error).split("\n")) sink.write(`${prioritized(line, "error", style)}\n`);
}
