// Running a command and knowing why it failed. Every command can be aborted and has a time limit; when `run` settles,
// the command has ended.
// Not for daemons: those outlive the call that starts them (flanneld.ts, etcd.ts).

import { spawn } from "node:child_process";
import { constants } from "node:os";
import { type Millis, seconds } from "../src/base/brand.ts";
import { systemClock } from "../src/base/clock.ts";
import { DeadlineExceeded, withDeadline } from "../src/base/signals.ts";

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The command is killed after this time. */
  readonly limit?: Millis;
}

export interface Output {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Long enough for anything in a lab; a command that takes longer hangs. */
const DEFAULT_LIMIT = seconds(30);

export class CommandFailed extends Error {
  readonly output: Output;

  constructor(command: readonly string[], reason: string, output: Output) {
    const said = (output.stderr.trim() || output.stdout.trim()).slice(-2000);
    super(`${command.join(" ")}: ${reason}${said ? `\n${said}` : ""}`);
    this.name = "CommandFailed";
    this.output = output;
  }
}

/** Throws CommandFailed unless the command ends with status 0; with the signal's reason when aborted. */
export async function run(command: readonly string[], options: RunOptions, signal: AbortSignal): Promise<Output> {
  const output = await attempt(command, options, signal);
  if (output.status !== 0) throw new CommandFailed(command, `exit status ${output.status}`, output);
  return output;
}

/** The same for commands whose failure is an answer: throws only when the command cannot be run to its end. */
export async function attempt(command: readonly string[], options: RunOptions, signal: AbortSignal): Promise<Output> {
  signal.throwIfAborted();
  return await withDeadline(options.limit ?? DEFAULT_LIMIT, systemClock, signal, (scope) =>
    execute(command, options, scope),
  );
}

async function execute(command: readonly string[], options: RunOptions, signal: AbortSignal): Promise<Output> {
  const [program = "", ...args] = command;
  const env = { ...toolEnvironment(), ...options.env };
  const child = spawn(program, args, { env, signal, killSignal: "SIGKILL" });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  // A command may end without having read its input; its status says what came of it.
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const failures: Error[] = [];
  child.on("error", (error) => failures.push(error));
  const ended = await new Promise<number | NodeJS.Signals>((done) => {
    child.on("close", (status, by) => done(status ?? by ?? 0));
  });
  const output = { status: shellStatus(ended), stdout: stdout(), stderr: stderr() };
  if (signal.reason instanceof DeadlineExceeded) throw new CommandFailed(command, signal.reason.message, output);
  signal.throwIfAborted();
  if (failures[0]) throw new CommandFailed(command, failures[0].message, output);
  return output;
}

/** Root's tools are not in everybody's PATH, and what we read must not be translated. */
export function toolEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin`, LC_ALL: "C" };
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString("utf8");
}

/** As a shell counts: 128 and the signal's number. */
export function shellStatus(ended: number | NodeJS.Signals): number {
  return typeof ended === "number" ? ended : 128 + constants.signals[ended];
}
