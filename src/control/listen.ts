// Takes the control socket's place in the file system: makes its directory, puts it where a daemon that was killed has
// left one, and lets root and the group open it, nobody else.

import { randomBytes } from "node:crypto";
import { chmod, chown, link, lstat, mkdir, readFile, rm, stat } from "node:fs/promises";
import { connect, type Server } from "node:net";
import { dirname, join } from "node:path";
import { FlannelError, messageOf } from "../base/errors.ts";
import { isTooLong } from "./path.ts";

/** Whose members may ask, if the host has such a group. */
const CONTROL_GROUP = "flannel";

const MODE = 0o660;

export interface Claim {
  /** False when somebody has deleted the socket, or put something else in its place. */
  isInPlace(): Promise<boolean>;
  /** Takes the socket away if it is still ours. */
  release(): Promise<void>;
}

/** Throws `listen.failed`. */
export async function claimSocket(server: Server, path: string): Promise<Claim> {
  try {
    if (isTooLong(path)) throw new Error("a socket's path has at most 107 bytes");
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await removeStale(path);
    const own = await listenAt(server, path);
    const isInPlace = async () => own === (await identify(path));
    return {
      isInPlace,
      release: async () => {
        if (await isInPlace()) await rm(path, { force: true });
      },
    };
  } catch (error) {
    server.close();
    throw new FlannelError(
      "listen.failed",
      { what: "commands", address: path, reason: reasonOf(error) },
      { cause: error },
    );
  }
}

/**
 * Node: a server that closes removes the name that it has bound, whoever's socket that is by then. So it binds a name of
 * its own, and its socket gets the one by which it is known when it is open to whom it should be.
 */
async function listenAt(server: Server, path: string): Promise<string | null> {
  const bound = join(dirname(path), `.${randomBytes(4).toString("hex")}`);
  try {
    await listen(server, bound);
    await chmod(bound, MODE);
    await giveToGroup(bound);
    await link(bound, path);
    return await identify(path);
  } finally {
    await rm(bound, { force: true });
  }
}

async function identify(path: string): Promise<string | null> {
  const found = await lstat(path, { bigint: true }).catch(() => null);
  // Kernel: a socket that listens keeps its inode, so that no other file can have its number.
  return found && `${found.dev} ${found.ino}`;
}

async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(nullIfAbsent);
  if (found === null) return;
  if (!found.isSocket()) throw new Error("something that is no socket is there; remove it, or choose another path");
  if (await isAnswering(path)) {
    throw new Error("another process listens there; give this daemon another path with --control-socket");
  }
  await rm(path, { force: true });
}

/** Kernel: a socket whose process has ended refuses connections. Throws the kernel's error where it cannot be told. */
export async function isAnswering(path: string): Promise<boolean> {
  return await new Promise<boolean>((resolve, reject) => {
    const socket = connect(path);
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve(false);
      // Kernel: its backlog is full, so there is somebody.
      else if (error.code === "EAGAIN") resolve(true);
      else reject(error);
    });
  });
}

/** Kernel: the mode of a socket is what the umask leaves of 0777, and counts from the first moment on. */
async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    const umask = process.umask(0o777 & ~MODE);
    // Node: binds before it returns.
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
    process.umask(umask);
  });
}

/**
 * In a sandbox that forbids it the service's unit has seen to it: Kernel: what is made in a directory with the setgid bit
 * has its group. Without either, it is root's alone.
 */
async function giveToGroup(path: string): Promise<void> {
  const group = findGroup(await readFile("/etc/group", "utf8").catch(() => ""), CONTROL_GROUP);
  if (group === null) return;
  const { uid, gid } = await stat(path);
  if (gid !== group) await chown(path, uid, group).catch(() => {});
}

/** group(5): "flannel:x:998:ann,ben" */
export function findGroup(text: string, name: string): number | null {
  const line = text.split("\n").find((line) => line.startsWith(`${name}:`));
  const id = line?.split(":")[2];
  return id !== undefined && /^\d+$/.test(id) ? Number(id) : null;
}

function nullIfAbsent(error: NodeJS.ErrnoException): null {
  if (error.code === "ENOENT") return null;
  throw error;
}

function reasonOf(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case "EACCES":
    case "EPERM":
      return "permission denied";
    case "EROFS":
      return "the file system is read-only";
    case "ENOTDIR":
    case "EEXIST":
      return "a part of the path is no directory";
    default:
      return messageOf(error);
  }
}
