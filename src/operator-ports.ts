// The real doors to the world for the operator's commands: no log. What only some commands need, the kernel's adapter and
// the addons among it, is loaded when they do: a person waits for each of them.

import { addAbortListener } from "node:events";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { seconds } from "./base/brand.ts";
import { startTimer, systemClock } from "./base/clock.ts";
import { FlannelError, isError } from "./base/errors.ts";
import { describeFileError } from "./base/file-error.ts";
import { SILENT } from "./base/log.ts";
import { createStyle } from "./base/terminal-text.ts";
import { writeNewFile } from "./base/whole-file.ts";
import { controlClient } from "./control/client.ts";
import type { OperatorPorts, Screen } from "./operator/verb.ts";

export function openOperatorPorts(installDirectory: string): OperatorPorts {
  return {
    clock: systemClock,
    openStore: async (options) => {
      // Loaded only when it is needed: the etcd client takes longer than all the rest.
      const { openEtcdLeaseStore } = await import("./etcd/lease-store.ts");
      const { systemRandom } = await import("./base/random.ts");
      return openEtcdLeaseStore(options, { clock: systemClock, random: systemRandom, log: SILENT });
    },
    openPinger: async () => {
      const { openRawPinger } = await import("./icmp/raw-pinger.ts");
      const { systemRandom } = await import("./base/random.ts");
      return await openRawPinger({ clock: systemClock, random: systemRandom });
    },
    openKernel: async () => {
      const [{ installedNative }, { openKernelNet }] = await Promise.all([
        import("./native/native.ts"),
        import("./netlink/kernel-net.ts"),
      ]);
      return openKernelNet(installedNative(installDirectory));
    },
    openHost: async () => {
      const [{ installedNative }, { openHostProbe }] = await Promise.all([
        import("./native/native.ts"),
        import("./facts/host-probe.ts"),
      ]);
      return openHostProbe(installedNative(installDirectory));
    },
    checkUpEtcd: async (options, signal) => {
      const { readEtcdCheckup } = await import("./etcd/checkup.ts");
      return await readEtcdCheckup(options, systemClock, signal);
    },
    readText,
    control: controlClient,
    runProgram: async (...call) => (await import("./firewall/tool.ts")).runTool(...call),
    writeNew: writeNewFile,
    hostName: hostname(),
    out: createScreen(process.stdout, installDirectory),
    err: createScreen(process.stderr, installDirectory),
  };
}

/** Larger than any network config; a wrong file is refused before it fills the memory. */
const LARGEST_TEXT = 1024 * 1024;

async function readText(path: string, signal: AbortSignal): Promise<string> {
  const purpose = path === "-" ? "the standard input" : "the network config from";
  const unreadable = (reason: string) => new FlannelError("file.unreadable", { path, purpose, reason });
  const bytes = await (path === "-" ? readStandardInput(signal) : readFile(path, { signal })).catch(
    (error: unknown) => {
      signal.throwIfAborted();
      throw unreadable(describeFileError(error));
    },
  );
  if (bytes.length > LARGEST_TEXT) throw unreadable(`it has more than ${LARGEST_TEXT} bytes`);
  return bytes.toString("utf8");
}

/** Somebody may have to type it: it ends when the signal aborts. */
async function readStandardInput(signal: AbortSignal): Promise<Buffer> {
  signal.throwIfAborted();
  using _ = addAbortListener(signal, () => process.stdin.destroy(new Error("interrupted")));
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > LARGEST_TEXT) break;
  }
  return Buffer.concat(chunks);
}

/** For whoever has piped to a program that ends, this is at once. */
const LOOK_INTERVAL = seconds(1);

/** What writing to standard output has failed with; of standard error nobody is left to be told. */
let failure: NodeJS.ErrnoException | null = null;

function createScreen(stream: NodeJS.WriteStream & { readonly fd: number }, installDirectory: string): Screen {
  const closed = new AbortController();
  stream.on("error", (error) => {
    if (stream === process.stdout) failure ??= error;
    closed.abort(error);
  });
  return {
    closed: closed.signal,
    watch: () =>
      watchReader(stream, closed, installDirectory).catch((error: unknown) => {
        // Without the addon the next write tells.
        if (!isError(error, "native.unavailable")) throw error;
        return { [Symbol.dispose]: () => {} };
      }),
    write: (text) => void stream.write(text),
    style: createStyle(stream, process.env),
    isTerminal: stream.isTTY === true,
  };
}

async function watchReader(
  { fd }: NodeJS.WriteStream & { readonly fd: number },
  closed: AbortController,
  installDirectory: string,
): Promise<Disposable> {
  const { installedNative } = await import("./native/native.ts");
  const { isHungUp } = installedNative(installDirectory);
  let timer: Disposable | null = null;
  const look = () => {
    if (isHungUp(fd)) closed.abort(new Error("nobody reads any longer"));
    else timer = startTimer(LOOK_INTERVAL, look);
  };
  look();
  return { [Symbol.dispose]: () => timer?.[Symbol.dispose]() };
}

/**
 * Node: what a pipe has no room for is written later, and lost when the process exits before. Throws `output.failed`; a
 * reader that has gone away (`flanneld leases | head -1`) is no failure.
 */
export async function flushOutput(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((done) => stream.write("", () => done()));
  }
  if (failure === null || failure.code === "EPIPE") return;
  const reason = failure.code === "ENOSPC" ? "no space left on the device" : failure.message;
  throw new FlannelError("output.failed", { reason }, { cause: failure });
}
