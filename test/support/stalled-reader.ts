// Whoever holds the other end of a program's standard error and does not read: at first what he could be given is full
// of padding already.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { connect, createServer, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openNative } from "./native.ts";

export interface StalledReader extends Disposable {
  /** For a child's stdio, or to write to. */
  readonly descriptor: number;
  /** From now on he reads whatever comes. */
  read(): void;
  /** What he has read, without the padding. */
  text(): string;
}

/** No line of a log is like it. */
const PADDING = `${"~".repeat(63)}\n`;

export function openStalledPipe(): StalledReader {
  const directory = mkdtempSync(join(tmpdir(), "flannel-stalled-"));
  const path = join(directory, "pipe");
  execFileSync("mkfifo", [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const descriptor = openSync(path, constants.O_WRONLY);
  const filler = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  fill(() => writeSync(filler, PADDING));
  closeSync(filler);
  rmSync(directory, { recursive: true });
  // Node: a socket begins to read when it is made.
  const open = () => new Socket({ fd: reader, readable: true, writable: false });
  return reading(open, descriptor, () => closeSync(descriptor));
}

/** As systemd gives one to each service for its journal. */
export async function openStalledSocket(): Promise<StalledReader> {
  const directory = mkdtempSync(join(tmpdir(), "flannel-stalled-"));
  const server = createServer({ pauseOnConnect: true }).listen(join(directory, "socket"));
  const connected = once(server, "connection");
  const writer = connect(join(directory, "socket"));
  const [reader] = (await connected) as [Socket];
  server.close();
  rmSync(directory, { recursive: true, force: true });
  // Node: of a socket that is open it is there, without a public name.
  const descriptor = (writer as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
  const { sendNow } = openNative();
  const padding = Buffer.from(PADDING);
  let sent = 1;
  while (sent > 0) sent = sendNow(descriptor, padding);
  return reading(
    () => reader,
    descriptor,
    () => writer.destroy(),
  );
}

function fill(write: () => void): void {
  try {
    for (;;) write();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
  }
}

function reading(open: () => Socket, descriptor: number, close: () => void): StalledReader {
  let heard = "";
  let stream: Socket | null = null;
  const opened = () => {
    stream ??= open().on("error", () => {});
    return stream;
  };
  return {
    descriptor,
    read() {
      opened().on("data", (chunk: Buffer) => {
        heard += chunk;
      });
      opened().resume();
    },
    text: () => heard.replaceAll(/~+\n?/g, ""),
    [Symbol.dispose]() {
      opened().destroy();
      close();
    },
  };
}
