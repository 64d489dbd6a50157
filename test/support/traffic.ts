// Packets that go on while something happens, and how many of them were lost.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { type PingResult, parsePing } from "../../lab/ping.ts";
import { toolEnvironment } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";

export interface Traffic extends Disposable {
  /** Ends it; resolves to what came of it. */
  stop(): Promise<PingResult>;
}

/** A ping from the namespace every 20 ms. */
export function startTraffic(namespace: string, destination: string): Traffic {
  const [program = "", ...args] = inNamespace(namespace, ["ping", "-n", "-q", "-i", "0.02", destination]);
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"], env: toolEnvironment() });
  let text = "";
  child.stdout.on("data", (piece: Buffer) => {
    text += piece.toString("utf8");
  });
  return {
    async stop() {
      const closed = once(child, "close");
      child.kill("SIGINT");
      await closed;
      const result = parsePing(text);
      if (result === null) throw new Error(`ping to ${destination} said ${JSON.stringify(text)}`);
      return result;
    },
    [Symbol.dispose]: () => void child.kill("SIGKILL"),
  };
}

/** The answer to the last request may still have been on its way. */
export function lostOf({ sent, received }: PingResult): number {
  return Math.max(0, sent - received - 1);
}
