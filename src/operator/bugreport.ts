// The command `bugreport`: everything about the daemon and the kernel's network that a person who is to help would ask
// for, in one archive, without secrets. It works also when no daemon answers: then that is what the report says.

import { gzipSync } from "node:zlib";
import { createTar } from "nanotar";
import type { Millis } from "../base/brand.ts";
import { FlannelError, isError, messageOf } from "../base/errors.ts";
import { DeadlineExceeded, withDeadline } from "../base/signals.ts";
import { mapInParallel } from "../base/tasks.ts";
import { PLAIN } from "../base/terminal-text.ts";
import { SETTINGS_FILES } from "../cli/service-settings.ts";
import type { DaemonCall } from "../cli/verbs.ts";
import type { DaemonStatus } from "../status/snapshot.ts";
import { commandsFor, filesFor, type Source, UNIT_NAME } from "./bugreport-sources.ts";
import { askDaemon, askStatus, findDaemons } from "./daemons.ts";
import { printJson, printLines } from "./print.ts";
import { REMOVED, redact } from "./redact.ts";
import {
  secretsInCommandLine,
  secretsInEnvironment,
  secretsInFile,
  secretsInUnit,
  showCommandLine,
} from "./secrets.ts";
import { formatBytes, formatStatus } from "./status-text.ts";
import type { OperatorPorts } from "./verb.ts";

/** One file of the archive, or why there is none. */
interface Found {
  readonly name: string;
  readonly text: string | null;
  readonly reason: string | null;
}

export async function reportBug(call: DaemonCall, ports: OperatorPorts, signal: AbortSignal): Promise<number> {
  const { clock, hostName, out, writeNew } = ports;
  const made = new Date(clock.now()).toISOString();
  const name = `flanneld-bugreport-${hostName.replaceAll(/[^\w.-]/g, "-")}-${made.replaceAll(/[-:]|\.\d+/g, "")}`;
  const path = call.words[0] ?? `${name}.tar.gz`;
  const { daemons, found: told } = await askDaemons(call, ports, signal);
  const found = [...told, ...(await collect(daemons, call, ports, signal))];
  const known = await knownSecrets(daemons, found, ports, signal);
  const files = [...found, manifest(found, made, ports)]
    .filter(({ text }) => text !== null)
    .map((file) => ({ name: `${name}/${file.name}`, data: redact(file.text ?? "", known) }));
  const attrs = { mode: "600", uid: 0, gid: 0, mtime: clock.now() };
  const archive = gzipSync(createTar(files, { attrs }));
  await writeNew(path, archive);
  const missing = found.filter(({ text }) => text === null);
  if (call.json) {
    printJson(out, { path, bytes: archive.length, files: files.length, missing: missing.map((one) => one.name) });
  } else {
    printLines(out, [
      `wrote ${path} (${formatBytes(archive.length)}, ${files.length} files)`,
      "Passwords, keys and tokens are removed; addresses and host names are not: look through it before you send it.",
    ]);
  }
  return 0;
}

interface Told {
  readonly daemons: readonly DaemonStatus[];
  readonly found: readonly Found[];
}

async function askDaemons(call: DaemonCall, ports: OperatorPorts, signal: AbortSignal): Promise<Told> {
  const sockets = await findDaemons(call, ports, signal).catch((error: unknown) => [reasonOf(error)]);
  const daemons: DaemonStatus[] = [];
  const found: Found[] = [];
  for (const [index, socket] of sockets.entries()) {
    if (socket instanceof Error) {
      found.push({ name: "daemon", text: null, reason: socket.message });
      continue;
    }
    const directory = index === 0 ? "daemon" : `daemon-${index + 1}`;
    try {
      const status = await askStatus(socket, call, ports, signal);
      const events = await askDaemon(socket, { method: "GET", url: "/events" }, call, ports, signal);
      const files = [
        fileOf(`${directory}/status.txt`, formatStatus(status, PLAIN, []).join("\n")),
        fileOf(`${directory}/status.json`, JSON.stringify(status, null, 2)),
        fileOf(`${directory}/events.json`, JSON.stringify(events, null, 2)),
      ];
      daemons.push(status);
      found.push(...files);
    } catch (error) {
      signal.throwIfAborted();
      // Also of one that makes no sense: the report is wanted the more.
      found.push({ name: directory, text: null, reason: messageOf(error) });
    }
  }
  return { daemons, found };
}

function fileOf(name: string, text: string): Found {
  return { name, text: `${text}\n`, reason: null };
}

/** Passes on what is no expected failure. */
function reasonOf(error: unknown): FlannelError {
  if (error instanceof FlannelError) return error;
  throw error;
}

const AT_ONCE = 4;

async function collect(
  daemons: readonly DaemonStatus[],
  { timeout }: DaemonCall,
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<readonly Found[]> {
  const within = async (source: Source, read: (scope: AbortSignal) => Promise<Found>): Promise<Found> => {
    try {
      return await withDeadline(timeout, ports.clock, signal, read);
    } catch (error) {
      signal.throwIfAborted();
      return { name: source.name, text: null, reason: whyMissing(error, timeout) };
    }
  };
  const read = (source: Source) =>
    within(source, (scope) =>
      source.kind === "file" ? readSource(source, ports, scope) : runSource(source, ports, scope),
    );
  return await mapInParallel([...filesFor(daemons), ...commandsFor(daemons)], AT_ONCE, read, signal);
}

/** As a clause behind the name: the path of a file is in that. */
function whyMissing(error: unknown, timeout: Millis): string {
  if (error instanceof DeadlineExceeded) return `nothing within ${timeout / 1000} s`;
  return isError(error, "file.unreadable") ? error.info.reason : messageOf(error);
}

async function readSource(
  { name, path }: Extract<Source, { kind: "file" }>,
  { readText }: OperatorPorts,
  signal: AbortSignal,
): Promise<Found> {
  const text = await readText(path, signal);
  const shown = name.endsWith("/cmdline") ? showCommandLine(text, REMOVED) : text;
  return { name, text: shown.replaceAll("\0", " "), reason: null };
}

async function runSource(
  { name, command }: Extract<Source, { kind: "command" }>,
  { runProgram }: OperatorPorts,
  signal: AbortSignal,
): Promise<Found> {
  const result = await runProgram(command, "", signal);
  if (result.kind === "missing") return { name, text: null, reason: `there is no ${command[0]} in the PATH` };
  const { status, stdout, stderr } = result;
  const said = [
    `$ ${command.join(" ")}`,
    stdout.trimEnd(),
    stderr.trimEnd(),
    ...(status === 0 ? [] : [`status ${status}`]),
  ];
  return fileOf(name, said.filter((part) => part !== "").join("\n"));
}

/** What was set for the daemon that nobody else may see: taken out wherever it turns up. */
async function knownSecrets(
  daemons: readonly DaemonStatus[],
  found: readonly Found[],
  { readText }: OperatorPorts,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const unit = found.find(({ name }) => name === UNIT_NAME)?.text ?? "";
  const read = async (path: string, secretsOf: (text: string) => readonly string[]) =>
    secretsOf(await readText(path, signal).catch(() => ""));
  const secrets = await Promise.all([
    ...SETTINGS_FILES.map((path) => read(path, secretsInFile)),
    ...daemons.flatMap(({ process: { pid } }) => [
      read(`/proc/${pid}/environ`, secretsInEnvironment),
      read(`/proc/${pid}/cmdline`, secretsInCommandLine),
    ]),
  ]);
  signal.throwIfAborted();
  return [...secretsInUnit(unit), ...secrets.flat()];
}

function manifest(found: readonly Found[], made: string, { hostName }: OperatorPorts): Found {
  const lines = found.map(({ name, reason }) => (reason === null ? name : `${name}: missing: ${reason}`));
  return fileOf("manifest.txt", [`flanneld bugreport of ${hostName}, ${made}`, "", ...lines].join("\n"));
}
