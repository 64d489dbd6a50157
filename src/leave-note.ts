// Says beside the control socket why this daemon has ended, for whoever asks when it is gone, and takes back what those
// before it have said. Nothing depends on it: where it cannot be written, the log has the same sentence.

import { seconds } from "./base/brand.ts";
import { type Clock, systemClock } from "./base/clock.ts";
import { systemRandom } from "./base/random.ts";
import { removeFile, writeWholeFile } from "./base/whole-file.ts";
import { END_KINDS, endNoteOf, endNotePath, formatEndNote } from "./control/end-note.ts";
import { isAnswering } from "./control/listen.ts";

/** Neither rejects, nor takes longer than two seconds. */
export interface EndNotes {
  leave(error: unknown): Promise<void>;
  /** Of this start nobody knows yet how it ends. */
  forget(): Promise<void>;
}

export interface NotePlace {
  /** Null for a daemon that cannot be asked: it leaves nothing. */
  readonly socket: string | null;
  /** Of the daemon's network. */
  readonly prefix: string;
}

/** As of subnet.env. The sentence is one of the log's, which has no secrets. */
const MODE = 0o644;
/**
 * A file system that hangs must not keep a daemon from starting, or one that has ended from letting go of its lock. Node:
 * the process itself waits at its exit for what still hangs in the kernel.
 */
const LIMIT = seconds(2);

export function endNotesAt({ socket, prefix }: NotePlace, clock: Clock = systemClock): EndNotes {
  if (socket === null) return { leave: async () => {}, forget: async () => {} };
  return {
    leave: (error) => briefly(writeNote(socket, prefix, error), clock),
    forget: () => briefly(Promise.all(END_KINDS.map((kind) => removeFile(endNotePath(socket, kind)))), clock),
  };
}

async function writeNote(socket: string, prefix: string, error: unknown): Promise<void> {
  const { kind, ...note } = endNoteOf(error, { prefix, pid: process.pid, at: new Date(systemClock.now()) });
  // The daemon of another network, that was given the same socket, and runs: what is beside it is taken for its end.
  if (kind === "ended" && (await isAnswering(socket).catch(() => false))) return;
  await writeWholeFile(endNotePath(socket, kind), formatEndNote(note), MODE, { random: systemRandom });
}

/** Node: what asks the file system cannot be called off, so that it is left behind. */
async function briefly(work: Promise<unknown>, clock: Clock): Promise<void> {
  const timer = new AbortController();
  const limit = clock.sleep(LIMIT, timer.signal).catch(() => {});
  await Promise.race([work.catch(() => {}), limit]);
  timer.abort();
}
