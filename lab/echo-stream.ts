// A stream of echo requests that tells which of them were lost, and when they were sent (echo-stream.c).

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { type EpochMillis, type Millis, seconds } from "../src/base/brand.ts";
import { compiledProgram } from "./compiled.ts";
import { shellStatus } from "./run.ts";
import { inNamespace } from "./topology.ts";
import { waitFor } from "./wait.ts";

export interface LostPacket {
  /** Of the request in its stream, from 0. */
  readonly number: number;
  readonly sentAt: EpochMillis;
}

/** What has become of the requests that were sent in a span of time. */
export interface Heard {
  readonly sent: number;
  readonly lost: readonly LostPacket[];
}

export interface EchoStream extends AsyncDisposable {
  /** What has become of every request since the last call and at least until the moment, once that is known. */
  take(until: EpochMillis, signal: AbortSignal): Promise<Heard>;
}

export interface EchoStreamOptions {
  readonly namespace: string;
  readonly destination: string;
  /** Between two requests. */
  readonly interval: Millis;
  /** A reply that takes longer is none. */
  readonly wait: Millis;
}

/** A line of the program: how far all is known, or one lost packet. */
export type StreamLine =
  | { readonly kind: "judged"; readonly until: EpochMillis; readonly count: number }
  | { readonly kind: "lost"; readonly packet: LostPacket };

/** The program tells four times a second; on a machine that is busy it may be late. */
const TELL_LIMIT = seconds(30);

export function startEchoStream({ namespace, destination, interval, wait }: EchoStreamOptions): EchoStream {
  const words = [compiledProgram("echo-stream"), destination, `${interval * 1000}`, `${wait}`];
  const [program = "", ...args] = inNamespace(namespace, words);
  // In a process group of its own: Ctrl-C is for whoever takes the lab down in order.
  const child = spawn(program, args, { detached: true, stdio: ["ignore", "pipe", "inherit"] });
  let [known, told, taken] = [0, 0, 0];
  let lost: LostPacket[] = [];
  let coming: LostPacket[] = [];
  createInterface({ input: child.stdout }).on("line", (text) => {
    const line = parseStreamLine(text);
    if (line.kind === "lost") {
      coming.push(line.packet);
      return;
    }
    [known, told] = [line.until, line.count];
    lost.push(...coming);
    coming = [];
  });
  return {
    async take(until, signal) {
      const look = () => {
        if (hasEnded(child)) throw new Error(`the pings of ${destination} ended with status ${statusOf(child)}`);
        return known >= until ? true : null;
      };
      await waitFor(`news of the pings of ${destination}`, look, TELL_LIMIT, signal);
      const heard = { sent: told - taken, lost };
      taken = told;
      lost = [];
      return heard;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      const { signal } = new AbortController();
      await waitFor("the end of the pings", () => (hasEnded(child) ? true : null), TELL_LIMIT, signal);
    },
  };
}

/** Throws when the program says something else. */
export function parseStreamLine(text: string): StreamLine {
  const [word, first, second] = text.split(" ");
  const [left, right] = [Number(first), Number(second)];
  if (Number.isSafeInteger(left) && Number.isSafeInteger(right)) {
    if (word === "judged") return { kind: "judged", until: left as EpochMillis, count: right };
    if (word === "lost") return { kind: "lost", packet: { number: left, sentAt: right as EpochMillis } };
  }
  throw new Error(`echo-stream said: ${text}`);
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

function statusOf({ exitCode, signalCode }: ChildProcess): number {
  return shellStatus(exitCode ?? signalCode ?? 0);
}
