// Where log lines leave the daemon: standard error, or the journal's own socket when that is where standard error goes. A
// line of an ordinary reader is out before the program goes on, so that nothing is lost when it ends. A reader who does
// not read (a journal that hangs, a pager, a stopped terminal) holds up nothing: lines wait for him in the backlog.

import { constants, fstatSync, openSync, writeSync } from "node:fs";
import { millis } from "./base/brand.ts";
import { type Clock, startTimer } from "./base/clock.ts";
import { createBacklog, type Delivery, type Parcel } from "./journal-backlog.ts";
import type { NativeAddon } from "./native/native.ts";

/** So much of what nobody takes is kept. */
const BACKLOG_BYTES = 1024 * 1024;

/** How long what is left waits for its reader when the program ends, and how often he is looked after then. */
const LAST_WAIT = millis(1000);
const LAST_LOOK = 5;

/** A reader who stops for so long is told of: a pager has its reader wait, too, but a moment is nothing to tell. */
const TOLD_AFTER = millis(10_000);

/** POSIX: what a pipe takes at once or not at all. */
const PIPE_BUF = 4096;

/** systemd-journald.service(8); of a journal namespace it is in the same place. */
const JOURNAL_SOCKET = "/run/systemd/journal/socket";

export interface LogSink {
  /** `entry` is the same in the journal's native protocol. It goes to the journal in the line's place, if that takes it. */
  write(line: string, entry?: Buffer): void;
  /** Calls back with how many lines were dropped, where they are missing. */
  onDropped?(listener: (count: number) => void): void;
}

export interface PatientSink extends Required<LogSink> {
  /** For how long nobody has read what there is to read, in milliseconds; null when somebody reads. */
  stalled(): number | null;
  /** Waits a second at most for a reader of what is left. */
  finish(): void;
}

/** Their errors have a code; EAGAIN when nobody reads. */
export type OutputFunctions = Pick<NativeAddon, "sendDatagram" | "sendNow" | "isWritable">;

/** `native` throws when there is no addon. What it does is then waited for. */
export function openPatientSink(
  fd: number,
  native: () => OutputFunctions,
  { monotonic }: Pick<Clock, "monotonic">,
): PatientSink {
  let onDropped = (_: number) => {};
  const write = openOutput(fd, native);
  const backlog = createBacklog(BACKLOG_BYTES, {
    now: monotonic,
    startTimer,
    onDropped: (count) => onDropped(count),
  });
  return {
    write(line, entry) {
      backlog.add(entry ? entryParcel(entry, lineParcel(line, write), native) : lineParcel(line, write));
    },
    onDropped(listener) {
      onDropped = listener;
    },
    stalled() {
      const since = backlog.stalledSince();
      return since === null ? null : monotonic() - since;
    },
    finish() {
      const end = monotonic() + LAST_WAIT;
      while (backlog.flush() === "later" && monotonic() < end) pause(LAST_LOOK);
    },
  };
}

/** What to tell of `PatientSink.stalled`, which the log cannot. */
export function stallTrouble(stalled: number | null): string | null {
  if (stalled === null || stalled < TOLD_AFTER) return null;
  return "nobody reads the log: lines wait for the reader, and are dropped when there are too many";
}

/** Writes some of it and returns how many bytes; 0 when nobody reads. */
type Output = (bytes: Buffer) => number;

function openOutput(fd: number, native: () => OutputFunctions): Output {
  const kind = kindOf(fd);
  if (kind === "file") return (bytes) => writeSync(fd, bytes);
  if (kind === "socket") return withAddon(native, fd, ({ sendNow }, bytes) => sendNow(fd, bytes));
  const own = openAgain(fd);
  if (own !== null) return (bytes) => writeSync(own, bytes);
  return withAddon(native, fd, ({ isWritable }, bytes) =>
    isWritable(fd) ? writeSync(fd, bytes, 0, Math.min(bytes.length, PIPE_BUF)) : 0,
  );
}

function kindOf(fd: number): "file" | "socket" | "pipe or terminal" {
  try {
    const facts = fstatSync(fd);
    if (facts.isSocket()) return "socket";
    return facts.isFIFO() || facts.isCharacterDevice() ? "pipe or terminal" : "file";
  } catch {
    // It is closed: every write will fail.
    return "file";
  }
}

/**
 * Kernel: O_NONBLOCK is of the open file description, which we share with whoever has started us; opened by this name a
 * pipe or a terminal has one of our own. POLLOUT would not do for a terminal: it may have room for a part of a line. Null
 * where that is forbidden, or nobody reads any more.
 */
function openAgain(fd: number): number | null {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return null;
  }
}

function withAddon(
  native: () => OutputFunctions,
  fd: number,
  write: (functions: OutputFunctions, bytes: Buffer) => number,
): Output {
  return (bytes) => {
    let functions: OutputFunctions;
    try {
      functions = native();
    } catch {
      // The daemon cannot run, and says so.
      return writeSync(fd, bytes);
    }
    return write(functions, bytes);
  };
}

function lineParcel(line: string, write: Output): Parcel {
  let rest = Buffer.from(line);
  return {
    size: rest.length,
    deliver: () =>
      attempt(() => {
        while (rest.length > 0) {
          const written = write(rest);
          if (written === 0) return "later";
          rest = rest.subarray(written);
        }
        return "done";
      }),
  };
}

/** What the journal does not take (it is too long, or there is no journal) goes to standard error as a line. */
function entryParcel(entry: Buffer, line: Parcel, native: () => OutputFunctions): Parcel {
  let isRefused = false;
  return {
    size: entry.length + line.size,
    deliver() {
      if (isRefused) return line.deliver();
      const delivery = attempt(() => {
        native().sendDatagram(JOURNAL_SOCKET, entry);
        return "done";
      });
      if (delivery !== "failed") return delivery;
      isRefused = true;
      return line.deliver();
    },
  };
}

function attempt(deliver: () => Delivery): Delivery {
  try {
    return deliver();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EAGAIN" ? "later" : "failed";
  }
}

/** The event loop does not come round any more. */
function pause(duration: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, duration);
}
