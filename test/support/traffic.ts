// Packets that go on while something happens, and how many of them were lost.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { toolEnvironment } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";

export interface Lasted {
  readonly sent: number;
  /** Of those, by their numbers. */
  readonly lost: readonly number[];
}

export interface Traffic extends Disposable {
  /** Ends it, when the answer to a later packet has come or none comes; resolves to what came of those sent until now. */
  stop(): Promise<Lasted>;
}

/** An answer is late, not lost, for this long: whoever sends it may have to wait for a processor. */
const LATE = seconds(10);

/** Ample for the other side to have the route back, and for ping to say something. */
const FIRST = seconds(20);

/** A ping from the namespace every 10 ms. Resolves when one was answered; those before it do not count. */
export async function startTraffic(namespace: string, destination: string): Promise<Traffic> {
  const [program = "", ...args] = inNamespace(namespace, ["ping", "-n", "-i", "0.01", destination]);
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: toolEnvironment() });
  const [answers, counts] = [textOf(child.stdout), textOf(child.stderr)];
  const answered = () => new Set([...answers().matchAll(/icmp_seq=(\d+) ttl=/g)].map(([, number]) => Number(number)));
  const end = () => void child.kill("SIGKILL");
  const { signal } = new AbortController();
  const look = () => [...answered()][0] ?? null;
  const first = await waitFor(`an answer from ${destination}`, look, FIRST, signal).catch((error: unknown) => {
    end();
    throw error;
  });
  return {
    async stop() {
      // iputils: SIGQUIT has ping say "answered/sent packets" and go on.
      child.kill("SIGQUIT");
      const asked = () => Number(/\d+\/(\d+) packets/.exec(counts())?.[1] ?? 0) || null;
      const sent = await waitFor(`ping to ${destination} to say how many it has sent`, asked, FIRST, signal);
      const isOver = () => [...answered()].some((number) => number > sent) || null;
      await waitFor("an answer to a later packet", isOver, LATE, signal).catch(() => null);
      const closed = once(child, "close");
      child.kill("SIGINT");
      await closed;
      const arrived = answered();
      const counted = Array.from({ length: sent - first + 1 }, (_, index) => first + index);
      return { sent: counted.length, lost: counted.filter((one) => !arrived.has(one)) };
    },
    [Symbol.dispose]: end,
  };
}

function textOf(stream: NodeJS.ReadableStream): () => string {
  let text = "";
  stream.on("data", (piece: Buffer) => {
    text += piece.toString("utf8");
  });
  return () => text;
}
