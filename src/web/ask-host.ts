// One question to a host's health port, and its answer as JSON.

import { get, type IncomingMessage } from "node:http";
import { type Millis, seconds } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/signals.ts";

/** Rejects with an error whose message is a clause for a person. */
export type AskHost = (address: string, path: string, signal: AbortSignal) => Promise<unknown>;

/** Of the snapshot of a host with ten thousand peers this is three times as much. */
const LARGEST_ANSWER = 16 * 1024 * 1024;

/** A host that is up answers in milliseconds. */
const ANSWER_LIMIT: Millis = seconds(2);

export function createAskHost(port: number, clock: Clock, limit: Millis = ANSWER_LIMIT): AskHost {
  return (address, path, signal) =>
    withDeadline(limit, clock, signal, async (scope) => {
      try {
        return await ask(address, port, path, scope);
      } catch (error) {
        signal.throwIfAborted();
        throw new Error(scope.aborted ? `no answer within ${limit / 1000} s from port ${port}` : reasonOf(error, port));
      }
    });
}

async function ask(address: string, port: number, path: string, signal: AbortSignal): Promise<unknown> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    // A connection for each: a thousand that are kept open would take them from those who probe.
    get({ host: address, port, path, signal, agent: false }, resolve).on("error", reject);
  });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > LARGEST_ANSWER) throw new Error(`its answer has more than ${LARGEST_ANSWER} bytes`);
  }
  if (response.statusCode === 404) throw new Error("its flanneld is older, and does not tell its status");
  if (response.statusCode !== 200) throw new Error(`it answers with HTTP status ${response.statusCode}`);
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

function reasonOf(error: unknown, port: number): string {
  if (error instanceof SyntaxError) return "its answer is no JSON";
  switch ((error as NodeJS.ErrnoException).code) {
    case "ECONNREFUSED":
      return `nothing listens on port ${port}: flanneld does not run there, or without --healthz-port=${port}`;
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return "there is no way to it from here";
    case "ECONNRESET":
      return "it closed the connection";
    default:
      return (error as Error).message;
  }
}
