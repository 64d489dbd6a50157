// Running another program, the only place that does: iptables and nft for the firewall, and for commands what only looks
// (ip, ss, ethtool, journalctl). One that cannot be started is firewall.failed whatever it is; the sentence has its name.

import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { addAbortListener } from "node:events";
import { FlannelError, messageOf } from "../base/errors.ts";

export type ToolResult =
  | { readonly kind: "ended"; readonly status: number; readonly stdout: string; readonly stderr: string }
  /** There is no such program in the PATH. */
  | { readonly kind: "missing" };

/** Rejects with the signal's reason on abort, and with `firewall.failed` when the program cannot be started. */
export type RunTool = (command: readonly string[], input: string, signal: AbortSignal) => Promise<ToolResult>;

/** The status of what has none. */
const KILLED = 255;

/** For programs that read no input, or read it as it is. */
export const runTool = createRunTool(null);

/**
 * nft before 1.0 opens /dev/stdin by its name. Kernel: a socket, which is what Node makes, cannot be opened so; a file can.
 */
export function createRunTool(openFile: OpenFile | null): RunTool {
  return async (command, input, signal) => {
    signal.throwIfAborted();
    if (openFile === null || input === "") return await execute(command, input, "pipe", signal);
    using file = openInput(command, input, openFile);
    return await execute(command, "", file.descriptor, signal);
  };
}

/** A file with these bytes that has no name. */
type OpenFile = (bytes: Buffer) => Disposable & { readonly descriptor: number };

function openInput([program = ""]: readonly string[], input: string, openFile: OpenFile): ReturnType<OpenFile> {
  try {
    return openFile(Buffer.from(input));
  } catch (error) {
    throw new FlannelError("firewall.failed", { tool: program, reason: messageOf(error) });
  }
}

async function execute(
  command: readonly string[],
  input: string,
  stdin: "pipe" | number,
  signal: AbortSignal,
): Promise<ToolResult> {
  const [program = "", ...args] = command;
  const stdio: StdioOptions = [stdin, "pipe", "pipe"];
  const options = { env: environment(process.env), signal, killSignal: "SIGKILL", stdio } as const;
  const child = start(program, () => spawn(program, args, options));
  const failures: NodeJS.ErrnoException[] = [];
  const ended = new Promise<number>((done) => {
    child.on("close", (code) => done(code ?? KILLED));
    child.on("error", (error) => {
      failures.push(error);
      // Node: a child for whose pipes there are no descriptors left (EMFILE) has none, and is not closed.
      if (!child.stdout) done(KILLED);
    });
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  // It may end without having read its input; its status says what came of it.
  child.stdin?.on("error", () => {});
  child.stdin?.end(input);
  using abandon = abandonOnAbort(child, signal);
  const status = await Promise.race([ended, abandon.abandoned]);
  signal.throwIfAborted();
  const [failure] = failures;
  if (failure?.code === "ENOENT") return { kind: "missing" };
  if (failure) throw new FlannelError("firewall.failed", { tool: program, reason: messageOf(failure) });
  return { kind: "ended", status, stdout: stdout(), stderr: stderr() };
}

/**
 * On abort it is killed, and not waited for: in the kernel (state D) it may hang for ever, and a child of its own may hold
 * what it has written to.
 */
function abandonOnAbort(
  child: ChildProcess,
  signal: AbortSignal,
): Disposable & { readonly abandoned: Promise<number> } {
  let giveUp = (_: number) => {};
  const abandoned = new Promise<number>((done) => {
    giveUp = done;
  });
  const listener = addAbortListener(signal, () => {
    child.stdout?.destroy();
    child.stderr?.destroy();
    giveUp(KILLED);
  });
  return { abandoned, [Symbol.dispose]: () => listener[Symbol.dispose]() };
}

/** Node: of why a program cannot be started only the most frequent reasons come as events; ENOMEM, say, is thrown. */
function start(program: string, begin: () => ChildProcess): ChildProcess {
  try {
    return begin();
  } catch (error) {
    throw new FlannelError("firewall.failed", { tool: program, reason: messageOf(error) });
  }
}

/**
 * Nothing of ours but the PATH and where xtables looks for its parts: our environment may hold etcd's password. Root's
 * tools are not in everybody's PATH, and what we read must not be translated.
 */
function environment(own: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const xtables = Object.entries(own).filter(([name]) => name.startsWith("XTABLES_"));
  return { ...Object.fromEntries(xtables), PATH: `${own["PATH"] ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin`, LC_ALL: "C" };
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = [];
  stream?.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString("utf8");
}
