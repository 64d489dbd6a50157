// ping(8) of iputils, with its answer as data.

import { millis, seconds } from "../src/base/brand.ts";
import { attempt, CommandFailed } from "./run.ts";
import { inNamespace } from "./topology.ts";

export interface PingResult {
  readonly sent: number;
  readonly received: number;
  /** Of the answers, in milliseconds; null when there was none. */
  readonly roundTrip: { readonly min: number; readonly average: number; readonly max: number } | null;
}

export interface PingOptions {
  readonly count: number;
  /** How long answers are waited for. */
  readonly waitSeconds?: number;
}

/** Ample for a process to start. */
const START_LIMIT = seconds(30);

/**
 * Pings from a namespace, all at once. No answer is a result; throws when ping itself cannot do its work.
 *
 * iputils: once there was an answer, -W is of no effect, and ping waits for the others for one interval or for twice the
 * longest round trip. So the interval is as long as the wait, and -l has it pass before none of the requests.
 */
export async function ping(
  namespace: string,
  destination: string,
  options: PingOptions,
  signal: AbortSignal,
): Promise<PingResult> {
  const { count, waitSeconds = 1 } = options;
  const [all, wait] = [String(count), String(waitSeconds)];
  const words = ["ping", "-n", "-q", "-c", all, "-l", all, "-i", wait, "-W", wait, destination];
  const command = inNamespace(namespace, words);
  const limit = millis(START_LIMIT + waitSeconds * 1000);
  const output = await attempt(command, { limit }, signal);
  const result = parsePing(output.stdout);
  if (result === null) throw new CommandFailed(command, `exit status ${output.status}`, output);
  return result;
}

/** By one ping; null when it is not, for `waitFor`. */
export async function isAnswered(namespace: string, destination: string, signal: AbortSignal): Promise<true | null> {
  return (await ping(namespace, destination, { count: 1 }, signal)).received > 0 || null;
}

/** Null when the text is not the summary of a ping. */
export function parsePing(text: string): PingResult | null {
  const counts = /^(\d+) packets transmitted, (\d+) received/m.exec(text);
  if (!counts) return null;
  const times = /^rtt min\/avg\/max\/mdev = ([\d.]+)\/([\d.]+)\/([\d.]+)\//m.exec(text);
  return {
    sent: Number(counts[1]),
    received: Number(counts[2]),
    roundTrip: times && { min: Number(times[1]), average: Number(times[2]), max: Number(times[3]) },
  };
}
