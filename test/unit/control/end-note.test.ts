// Why the last daemon has ended, from the error to whoever asks when it is gone: a real directory, and the real commands.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstatSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { waitFor } from "../../../lab/wait.ts";
import { seconds } from "../../../src/base/brand.ts";
import { FlannelError } from "../../../src/base/errors.ts";
import { controlClient } from "../../../src/control/client.ts";
import { endNoteOf, endNotePath, formatEndNote, parseEndNote } from "../../../src/control/end-note.ts";
import { type EndNotes, endNotesAt } from "../../../src/leave-note.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";

const { signal } = new AbortController();
const AT = "2026-03-01T12:00:00.000Z";
const PREFIX = "/coreos.com/network";
const OF = { prefix: PREFIX, pid: 42, at: new Date(AT) };
const NO_TUN = new FlannelError("backend.unsuitable", { backend: "udp", reason: "there is no /dev/net/tun" });
const SECOND = new FlannelError("instance.running", { prefix: "/coreos.com/network", pid: 123 });
let directory: string;
let socket: string;

function notesAt(place: string | null): EndNotes {
  return endNotesAt({ socket: place, prefix: PREFIX });
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flanneld-note-"));
  socket = join(directory, "flanneld.sock");
});
afterEach(async () => rm(directory, { recursive: true, force: true }));

/** Somebody who answers on the socket. */
async function listening(): Promise<AsyncDisposable> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(socket, done));
  return { [Symbol.asyncDispose]: () => new Promise<void>((done) => void server.close(() => done())) };
}

describe("the note of a daemon that has ended", () => {
  it("is read as it was written", () => {
    const { kind, ...note } = endNoteOf(NO_TUN, OF);
    assert.equal(kind, "ended");
    assert.deepEqual(parseEndNote(formatEndNote(note)), note);
    assert.deepEqual([note.status, note.code, note.holder], [78, "backend.unsuitable", null]);
    assert.equal(note.prefix, PREFIX);
    assert.equal(note.message, "backend udp cannot run here: there is no /dev/net/tun");
  });

  it("of a refused second start is another one, and says who has the network", () => {
    const note = endNoteOf(SECOND, OF);
    assert.deepEqual([note.kind, note.holder], ["refused", 123]);
    const hidden = new FlannelError("instance.running", { prefix: "/coreos.com/network", pid: 0 });
    assert.equal(endNoteOf(hidden, OF).holder, null);
  });

  it("calls a bug one", () => {
    assert.deepEqual(
      [endNoteOf(new Error("x is undefined"), OF)].map(({ status, code, message }) => [status, code, message]),
      [[1, "bug", "this is a bug: x is undefined"]],
    );
  });

  it("is none when it is not whole, or something else", () => {
    const { kind: _, ...note } = endNoteOf(NO_TUN, OF);
    const text = formatEndNote(note);
    for (const bad of ["", "null", "[]", text.slice(0, -10), text.replace('"schema":1', '"schema":2')]) {
      assert.equal(parseEndNote(bad), null, bad);
    }
    assert.equal(parseEndNote(text.replace(AT, "yesterday")), null);
    assert.equal(parseEndNote(text.replace('"pid":42', '"pid":"42"')), null);
  });

  it("is found beside the socket's place and in its directory, newest first, and is forgotten by the next start", async () => {
    const blue = join(directory, "below", "flanneld-blue.sock");
    await notesAt(socket).leave(NO_TUN);
    await notesAt(socket).leave(SECOND);
    await notesAt(blue).leave(NO_TUN);
    const places = async (path: string) =>
      (await controlClient.notes(path)).map(({ kind, socket: beside }) => `${kind} ${beside}`).toSorted();
    assert.deepEqual(await places(socket), [`ended ${socket}`, `refused ${socket}`]);
    assert.deepEqual(await places(directory), [`ended ${blue}`, `ended ${socket}`, `refused ${socket}`].toSorted());
    const times = (await controlClient.notes(directory)).map(({ at }) => Date.parse(at));
    assert.deepEqual(
      times,
      times.toSorted((a, b) => b - a),
    );
    assert.equal((await stat(endNotePath(socket, "ended"))).mode & 0o777, 0o644);
    await notesAt(socket).forget();
    assert.deepEqual(await places(directory), [`ended ${blue}`]);
    await notesAt(socket).forget();
  });

  it("of the last end takes the place of the one before", async () => {
    await notesAt(socket).leave(NO_TUN);
    await notesAt(socket).leave(new Error("later"));
    assert.equal((await controlClient.notes(socket))[0]?.message, "this is a bug: later");
    assert.deepEqual(await readdir(directory), ["flanneld.ended.json"]);
  });

  it("is left away where it cannot be written, and by a daemon that cannot be asked", async () => {
    const file = join(directory, "file");
    await writeFile(file, "");
    await notesAt(join(file, "flanneld.sock")).leave(NO_TUN);
    await notesAt("/proc/flanneld.sock").leave(NO_TUN);
    await notesAt(null).leave(NO_TUN);
    await notesAt("/proc/flanneld.sock").forget();
    await notesAt(null).forget();
    assert.equal(await readFile(file, "utf8"), "");
    assert.deepEqual(await readdir(directory), ["file"]);
  });

  it("does not tell of a network that is not named", () => {
    const { kind: _, ...note } = endNoteOf(NO_TUN, OF);
    const { prefix: __, ...without } = JSON.parse(formatEndNote(note));
    assert.equal(parseEndNote(JSON.stringify(without))?.prefix, null);
  });

  it("is not left beside the daemon of another network that answers there, but that of a refused start is", async () => {
    await using _daemon = await listening();
    await notesAt(socket).leave(NO_TUN);
    await notesAt(socket).leave(SECOND);
    assert.deepEqual(
      (await controlClient.notes(socket)).map(({ kind }) => kind),
      ["refused"],
    );
  });

  it("is not waited for where the file system hangs", async () => {
    // Opened for reading, it waits for a writer.
    execFileSync("mkfifo", [endNotePath(socket, "ended")]);
    const clock = createFakeClock();
    const left = endNotesAt({ socket, prefix: PREFIX }, clock).leave(NO_TUN);
    await clock.advance(2000);
    await left;
    await writeFile(endNotePath(socket, "ended"), "{}");
    // What hung goes on, and must not outlive its directory.
    const isThere = () => lstatSync(endNotePath(socket, "ended")).isFile() || null;
    await waitFor("the note", isThere, seconds(60), signal);
  });

  it("is no reason to fail when it cannot be read", async () => {
    await mkdir(endNotePath(socket, "ended"));
    await writeFile(endNotePath(socket, "refused"), "{");
    await chmod(directory, 0o755);
    assert.deepEqual(await controlClient.notes(directory), []);
    assert.deepEqual(await controlClient.notes(join(directory, "nowhere")), []);
  });
});
