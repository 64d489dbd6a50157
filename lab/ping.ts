// ping(8) of iputils, with its answer as data.

import { millis } from "../src/base/brand.ts";
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
  /** Between two requests. */
  readonly intervalMillis?: number;
  /** How long the last answer is waited for. */
  readonly waitSeconds?: number;
}

/** Pings from a namespace. No answer is a result; throws when ping itself cannot do its work. */
export async function ping(
  namespace: string,
  destination: string,
  options: PingOptions,
  signal: AbortSignal,
): Promise<PingResult> {
  const { count, intervalMillis = 10, waitSeconds = 1 } = options;
  const command = inNamespace(namespace, [
    ...["ping", "-n", "-q", "-c", String(count), "-i", String(intervalMillis / 1000), "-W", String(waitSeconds)],
    destination,
  ]);
  const limit = millis(count * (intervalMillis + waitSeconds * 1000) + 10_000);
  const output = await attempt(command, { limit }, signal);
  const result = parsePing(output.stdout);
  if (result === null) throw new CommandFailed(command, `exit status ${output.status}`, output);
  return result;
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
