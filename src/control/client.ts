// The asker's end of the control socket: which sockets there are, one question and its answer, and lines as they come.

import { statSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { FlannelError, messageOf } from "../base/errors.ts";
import { END_KINDS, type EndKind, endNotePath, type FoundNote, parseEndNote, readNoteName } from "./end-note.ts";
import { isControlSocketName } from "./path.ts";

export interface ControlQuestion {
  readonly method: "GET" | "PUT" | "POST";
  readonly url: string;
  readonly body?: object;
}

export interface ControlClient {
  /** A socket itself; of a directory those in it and one below. Sorted; empty when there is nothing. */
  find(path: string): Promise<readonly string[]>;
  /** Throws `daemon.absent`, `daemon.denied`, `request.refused` with the daemon's reason. */
  ask(socket: string, question: ControlQuestion, signal: AbortSignal): Promise<unknown>;
  /** What daemons that ended with an error have left, in the same places; of a socket beside it. Newest first. */
  notes(path: string): Promise<readonly FoundNote[]>;
  /** Nobody listens on it: its daemon was killed. */
  isDeserted(socket: string, signal: AbortSignal): Promise<boolean>;
  /** Once it answers; lines until the daemon ends them. Both throw as `ask`, and the signal's reason. */
  follow(socket: string, url: string, signal: AbortSignal): Promise<AsyncIterable<string>>;
}

export const controlClient: ControlClient = { find: findSockets, notes: findNotes, ask, isDeserted, follow };

async function findSockets(path: string): Promise<readonly string[]> {
  if (!(await isDirectory(path))) return [path];
  return (await hereAndBelow(path, socketsIn)).toSorted();
}

async function hereAndBelow<T>(path: string, look: (directory: string) => Promise<readonly T[]>): Promise<T[]> {
  const here = await look(path);
  const names = await readdir(path).catch(() => []);
  const below = await Promise.all(
    names.map(async (name) => ((await isDirectory(join(path, name))) ? look(join(path, name)) : [])),
  );
  return [...here, ...below.flat()];
}

async function findNotes(path: string): Promise<readonly FoundNote[]> {
  const found = (await isDirectory(path))
    ? await hereAndBelow(path, notesIn)
    : await Promise.all(END_KINDS.map((kind) => readNote(path, kind)));
  const notes = found.filter((note) => note !== null);
  return notes.toSorted((a, b) => Date.parse(b.at) - Date.parse(a.at));
}

async function notesIn(directory: string): Promise<readonly (FoundNote | null)[]> {
  const names = (await readdir(directory).catch(() => [])).flatMap((name) => readNoteName(name) ?? []);
  return await Promise.all(names.map(({ socket, kind }) => readNote(join(directory, socket), kind)));
}

async function readNote(socket: string, kind: EndKind): Promise<FoundNote | null> {
  const text = await readFile(endNotePath(socket, kind), "utf8").catch(() => "");
  const note = parseEndNote(text);
  return note && { ...note, kind, socket };
}

async function isDirectory(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  return found?.isDirectory() ?? false;
}

async function socketsIn(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isSocket() && isControlSocketName(entry.name))
    .map(({ name }) => join(directory, name));
}

async function ask(socket: string, question: ControlQuestion, signal: AbortSignal): Promise<unknown> {
  const response = await send(socket, question, signal);
  const answer = parse(await readAll(response, socket, signal));
  if (response.statusCode === 200 && answer !== null) return answer;
  throw refusal(answer, socket);
}

/** A daemon may end in the middle of its answer. */
async function readAll(response: IncomingMessage, socket: string, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch {
    signal.throwIfAborted();
    throw new FlannelError("daemon.absent", { socket, reason: "its answer broke off" });
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Null for everything but an object. */
function parse(text: string): object | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && !Array.isArray(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

function refusal(answer: object | null, socket: string): FlannelError {
  const error = answer !== null && "error" in answer ? answer.error : null;
  const reason = typeof error === "string" ? error : "it is no flanneld, or of another version";
  return new FlannelError("request.refused", { reason: `flanneld at ${socket} refused: ${reason}`, hint: null });
}

function isDeserted(socket: string, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const connection = connect({ path: socket, signal });
    connection.on("error", (error: NodeJS.ErrnoException) => {
      if (signal.aborted) reject(signal.reason);
      else resolve(error.code === "ECONNREFUSED" && isSocket(socket));
    });
    connection.on("connect", () => {
      connection.destroy();
      resolve(false);
    });
  });
}

async function follow(socket: string, url: string, signal: AbortSignal): Promise<AsyncIterable<string>> {
  const response = await send(socket, { method: "GET", url }, signal);
  if (response.statusCode !== 200) throw refusal(parse(await readAll(response, socket, signal)), socket);
  return linesOf(response, signal);
}

async function* linesOf(response: IncomingMessage, signal: AbortSignal): AsyncGenerator<string> {
  response.setEncoding("utf8");
  let rest = "";
  try {
    for await (const chunk of response as AsyncIterable<string>) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } catch (error) {
    signal.throwIfAborted();
    // A daemon that is killed says no goodbye.
    if ((error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error;
  }
}

function send(socketPath: string, { method, url, body }: ControlQuestion, signal: AbortSignal) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const text = body === undefined ? "" : JSON.stringify(body);
    const headers = { "content-length": Buffer.byteLength(text) };
    const asked: ClientRequest = request({ socketPath, method, path: url, headers, signal, agent: false }, resolve);
    asked.on("error", (error: NodeJS.ErrnoException) => {
      reject(signal.aborted ? signal.reason : failure(error, socketPath));
    });
    asked.end(text);
  });
}

/** Said of a place where no socket is, whether there is such a directory or not. */
export const NONE_HERE =
  "none runs here, or its socket is elsewhere: systemctl start flanneld; --socket says where to look";

/** Said of a socket whose daemon was killed. */
export const ENDED = "the daemon that made the socket has ended: systemctl start flanneld";

function isSocket(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}

function failure(error: NodeJS.ErrnoException, socket: string): FlannelError {
  switch (error.code) {
    case "EACCES":
    case "EPERM":
      return new FlannelError("daemon.denied", { socket });
    case "ENOENT":
      return new FlannelError("daemon.absent", { socket, reason: NONE_HERE });
    // Kernel: connect() refuses also what is no socket.
    case "ECONNREFUSED":
      return new FlannelError("daemon.absent", { socket, reason: isSocket(socket) ? ENDED : "it is no socket" });
    default:
      return new FlannelError("daemon.absent", { socket, reason: messageOf(error) });
  }
}
