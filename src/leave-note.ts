// Says beside the control socket why this daemon has ended, for whoever asks when it is gone, and takes back what those
// before it have said. Nothing depends on it: where it cannot be written, the log has the same sentence.

import { systemClock } from "./base/clock.ts";
import { systemRandom } from "./base/random.ts";
import { removeFile, writeWholeFile } from "./base/whole-file.ts";
import { END_KINDS, endNoteOf, endNotePath, formatEndNote } from "./control/end-note.ts";

/** As of subnet.env. The sentence is one of the log's, which has no secrets. */
const MODE = 0o644;

/** `socket` is null for a daemon that cannot be asked. Never rejects. */
export async function leaveEndNote(socket: string | null, error: unknown): Promise<void> {
  if (socket === null) return;
  const note = endNoteOf(error, process.pid, new Date(systemClock.now()).toISOString());
  await writeWholeFile(endNotePath(socket, note.kind), formatEndNote(note), MODE, { random: systemRandom }).catch(
    () => {},
  );
}

/** Of this start nobody knows yet how it ends. Never rejects. */
export async function forgetEndNotes(socket: string | null): Promise<void> {
  if (socket === null) return;
  await Promise.all(END_KINDS.map((kind) => removeFile(endNotePath(socket, kind)).catch(() => {})));
}
