// Calls an operator's command on a fake store, and keeps what it has said.

import assert from "node:assert/strict";
import { exitStatusOf, FlannelError } from "../../src/base/errors.ts";
import { createStyle } from "../../src/base/terminal-text.ts";
import type { SettingsFile } from "../../src/cli/service-settings.ts";
import { parseCommandLine } from "../../src/cli.ts";
import { type ControlClient, ENDED, NONE_HERE } from "../../src/control/client.ts";
import type { ControlDesk } from "../../src/control/desk.ts";
import type { FoundNote } from "../../src/control/end-note.ts";
import { answerControl } from "../../src/control/routes.ts";
import type { Pinger } from "../../src/icmp/pinger.ts";
import { failureJson } from "../../src/operator/failure.ts";
import { printJson } from "../../src/operator/print.ts";
import type { KernelLook, OperatorPorts, ProgramResult } from "../../src/operator/verb.ts";
import { VERBS } from "../../src/operator/verbs.ts";
import type { EtcdCheckup } from "../../src/subnet/etcd-checkup.ts";
import type { OperatorStore } from "../../src/subnet/operator-store.ts";
import { createFakeClock, type FakeClock } from "../fakes/fake-clock.ts";
import { createFakeHost, type FakeHost } from "../fakes/fake-host.ts";
import { createFakeKernel, type FakeKernel } from "../fakes/fake-kernel.ts";
import { createFakeLeaseStore, type FakeLeaseStore } from "../fakes/fake-lease-store.ts";
import { createFakePinger, type FakePinger } from "../fakes/fake-pinger.ts";

export interface Said {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export interface OperatorDesk {
  readonly clock: FakeClock;
  readonly store: FakeLeaseStore;
  /** By path; "-" is standard input. */
  readonly files: Map<string, string>;
  /** What stands between the command and the store. */
  wrap: (store: FakeLeaseStore) => OperatorStore;
  readonly pinger: FakePinger;
  openPinger: () => Promise<Pinger>;
  readonly kernel: FakeKernel;
  /** In place of what the kernel says. */
  look: Partial<KernelLook>;
  readonly host: FakeHost;
  checkup: EtcdCheckup;
  isTerminal: boolean;
  /** Of the service on this host. */
  settings: readonly SettingsFile[];
  /** Those that run on the host, by socket. */
  readonly daemons: Map<string, ControlDesk>;
  /** Sockets of daemons that were killed. */
  readonly deserted: Set<string>;
  /** What daemons that have ended have left. */
  readonly notes: FoundNote[];
  /** What programs say, by command line; all others are missing. */
  readonly programs: Map<string, ProgramResult>;
  /** By path. */
  readonly written: Map<string, Uint8Array>;
  run(...argv: readonly string[]): Promise<Said>;
  /** The same for a command that waits: the clock moves on whenever that is all that is left to do. */
  runOn(...argv: readonly string[]): Promise<Said>;
}

export function openDesk(): OperatorDesk {
  const clock = createFakeClock();
  const store = createFakeLeaseStore({ clock });
  const files = new Map<string, string>();
  const desk: OperatorDesk = {
    clock,
    store,
    files,
    wrap: (plain) => plain,
    pinger: createFakePinger(clock),
    openPinger: async () => desk.pinger,
    kernel: createFakeKernel(),
    look: {},
    host: createFakeHost(),
    checkup: { problem: null, certificates: [], clocks: [] },
    isTerminal: false,
    settings: [],
    daemons: new Map(),
    deserted: new Set(),
    notes: [],
    programs: new Map(),
    written: new Map(),
    run: (...argv) => runCommand(desk, argv),
    async runOn(...argv) {
      let isDone = false;
      const running = runCommand(desk, argv).finally(() => {
        isDone = true;
      });
      while (!isDone) await clock.advance(clock.untilNext() ?? 0);
      return await running;
    },
  };
  return desk;
}

async function runCommand(desk: OperatorDesk, argv: readonly string[]): Promise<Said> {
  const said = { out: "", err: "" };
  const screen = (name: "out" | "err") => ({
    write: (text: string) => {
      said[name] += text;
    },
    style: createStyle({ isTTY: desk.isTerminal }, {}),
    isTerminal: desk.isTerminal,
    closed: new AbortController().signal,
    watch: async () => ({ [Symbol.dispose]: () => {} }),
  });
  const ports: OperatorPorts = {
    clock: desk.clock,
    openStore: async () => ({ ...desk.wrap(desk.store), [Symbol.asyncDispose]: async () => {} }),
    readText: async (path) => {
      const text = desk.files.get(path);
      if (text !== undefined) return text;
      throw new FlannelError("file.unreadable", { path, purpose: "the network config from", reason: "no such file" });
    },
    openPinger: () => desk.openPinger(),
    openKernel: async () => ({ ...desk.kernel, ...desk.look, [Symbol.dispose]: () => {} }),
    openHost: async () => desk.host,
    checkUpEtcd: async () => desk.checkup,
    control: controlOf(desk),
    runProgram: (command, _, signal) =>
      orAborted((async () => desk.programs.get(command.join(" ")) ?? { kind: "missing" })(), signal),
    writeNew: async (path, bytes) => void desk.written.set(path, bytes),
    hostName: "host-1",
    out: screen("out"),
    err: screen("err"),
  };
  const command = parseCommandLine(argv, {}, VERBS, () => desk.settings);
  assert.equal(command.kind, "verb", argv.join(" "));
  try {
    const status = await command.verb.run(command.call, ports, new AbortController().signal);
    return { status, ...said };
  } catch (error) {
    if (!(error instanceof FlannelError)) throw error;
    if (command.call.json) printJson(ports.out, failureJson(error));
    return { status: exitStatusOf(error), out: said.out, err: `${said.err}${error.message}\n` };
  }
}

/** Somebody else is faster, `times` times, whenever a command is about to do this. */
export function overtake(
  desk: OperatorDesk,
  call: "putConfig" | "reserve" | "setTerm" | "remove" | "removeBad",
  act: () => void,
  times = 1,
): void {
  let left = times;
  desk.wrap = (store: FakeLeaseStore): OperatorStore => {
    const late = {
      [call]: (...args: readonly unknown[]) => {
        if (left-- > 0) act();
        return (store[call] as (...args: readonly unknown[]) => unknown)(...args);
      },
    };
    return { ...store, ...late };
  };
}
/** Without sockets: the daemon's own answers. Who follows gets what has happened, and then the daemon ends. */
function controlOf({ daemons, deserted, notes }: OperatorDesk): ControlClient {
  const deskAt = (socket: string) => {
    const desk = daemons.get(socket);
    if (desk) return desk;
    throw new FlannelError("daemon.absent", { socket, reason: deserted.has(socket) ? ENDED : NONE_HERE });
  };
  return {
    find: async (path) => {
      const inside = [...daemons.keys(), ...deserted].filter((socket) => socket.startsWith(`${path}/`));
      return inside.length === 0 && path.endsWith(".sock") ? [path] : inside;
    },
    notes: async (path) => notes.filter(({ socket }) => socket === path || socket.startsWith(`${path}/`)),
    isDeserted: async (socket) => deserted.has(socket),
    async ask(socket, { method, url, body }, signal) {
      const request = { method, url, body: JSON.stringify(body ?? "") };
      const answer = await orAborted(answerControl(request, deskAt(socket)), signal);
      assert.equal(answer.kind, "json");
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      return JSON.parse(JSON.stringify(answer.body));
    },
    async follow(socket) {
      const events = deskAt(socket).events.after(0);
      return (async function* () {
        for (const event of events) yield JSON.stringify(event);
      })();
    },
  };
}

async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  return await Promise.race([work, aborted]);
}
