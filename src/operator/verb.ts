// What an operator's command is, and the doors to the world that it is given. A command looks or changes one thing, in
// etcd or in the daemon that runs here, says what came of it, and ends; it never changes the kernel, and only some look
// at it.

import type { Clock } from "../base/clock.ts";
import type { Style } from "../base/terminal-text.ts";
import type { HostProbe } from "../check/host-probe.ts";
import type { EtcdOptions } from "../cli/options.ts";
import type { VerbCall, VerbSyntax } from "../cli/verbs.ts";
import type { ControlClient } from "../control/client.ts";
import type { Pinger } from "../icmp/pinger.ts";
import type { KernelNet } from "../net/kernel-net.ts";
import type { EtcdCheckup } from "../subnet/etcd-checkup.ts";
import type { OperatorStore } from "../subnet/operator-store.ts";

export interface Screen {
  /** Returns before the text is out; whoever ends the process waits for that. */
  write(text: string): void;
  /** Aborts when a write has failed: nobody reads any longer, or there is no room. */
  readonly closed: AbortSignal;
  /** Until disposed of looks every second whether somebody still reads; if not, `closed` aborts without a write. */
  watch(): Promise<Disposable>;
  readonly style: Style;
  readonly isTerminal: boolean;
}

/** What a command may see of the kernel's network state. */
export type KernelLook = Pick<KernelNet, "links" | "lookup" | "underlayFacts" | "neighbourTable">;

export interface OperatorPorts {
  readonly clock: Clock;
  readonly openStore: (options: EtcdOptions) => Promise<OperatorStore & AsyncDisposable>;
  /** Of a file, or of standard input for "-". Throws `file.unreadable`. */
  readonly readText: (path: string, signal: AbortSignal) => Promise<string>;
  /** To the daemons of this host. */
  readonly control: ControlClient;
  /** Runs what only looks. Rejects with the signal's reason. */
  readonly runProgram: (command: readonly string[], input: string, signal: AbortSignal) => Promise<ProgramResult>;
  /** Only for us to read. Throws `request.refused` when there is a file already, or it cannot be written. */
  readonly writeNew: (path: string, bytes: Uint8Array) => Promise<void>;
  readonly hostName: string;
  /** Throws `privilege.missing` without the right to send ICMP, and `native.unavailable`. */
  readonly openPinger: () => Promise<Pinger>;
  /** Throws `native.unavailable`. */
  readonly openKernel: () => Promise<KernelLook & Disposable>;
  /** Throws `native.unavailable`. */
  readonly openHost: () => Promise<HostProbe>;
  readonly checkUpEtcd: (options: EtcdOptions, signal: AbortSignal) => Promise<EtcdCheckup>;
  /** The result, and nothing else. */
  readonly out: Screen;
  /** What a person should know beside the result. */
  readonly err: Screen;
}

export type ProgramResult =
  | { readonly kind: "ended"; readonly status: number; readonly stdout: string; readonly stderr: string }
  /** There is no such program in the PATH. */
  | { readonly kind: "missing" };

export interface Verb extends VerbSyntax {
  /** Resolves to the exit status; throws FlannelErrors, which have theirs. */
  readonly run: (call: VerbCall, ports: OperatorPorts, signal: AbortSignal) => Promise<number>;
}
