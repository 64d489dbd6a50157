// The network config as it is and whenever it changes. Unlike the leases it is one small value: after a loss it is simply
// read again.

import { addAbortListener } from "node:events";
import type { IKeyValue, IResponseHeader } from "etcd3";
import { delays } from "../base/backoff.ts";
import { millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { isRetryable } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { EtcdTransport } from "./transport.ts";
import { isOfAnotherStore, type WatchPosition } from "./watch-position.ts";

export interface WatchConfigDeps {
  readonly transport: EtcdTransport;
  /** Where it is. */
  readonly key: Buffer;
  readonly clock: Clock;
  readonly random: Random;
}

/** The config, and where a watch goes on from it. */
export interface ReadConfig {
  readonly text: string | null;
  readonly position: WatchPosition;
}

const OP = "watching the network config";

/**
 * The text, or null while there is none; each once, until the signal aborts. Reconnects by itself. Goes on from what was
 * `read`, if anything: then it is not read again at first.
 */
export async function* watchConfig(
  read: ReadConfig | null,
  deps: WatchConfigDeps,
  signal: AbortSignal,
): AsyncGenerator<string | null> {
  let told: string | null | undefined;
  let known = read;
  const startPauses = () => delays({ first: millis(1000), max: millis(30_000), random: deps.random });
  let pauses = startPauses();
  while (!signal.aborted) {
    try {
      const from = known ?? (await readConfig(deps, signal));
      known = null;
      for await (const text of watchOnce(from, deps, signal)) {
        pauses = startPauses();
        if (text !== told) yield text;
        told = text;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isRetryable(error)) throw error;
    }
    await deps.clock.sleep(pauses.next().value, signal).catch(() => {});
  }
}

export async function readConfig(
  { transport, key }: Pick<WatchConfigDeps, "transport" | "key">,
  signal: AbortSignal,
  op = OP,
): Promise<ReadConfig> {
  const { header, kvs } = await transport.range(op, { key }, signal);
  return configOf(header, kvs);
}

/** What a range of its key has brought. */
export function configOf(header: IResponseHeader, [found]: readonly IKeyValue[]): ReadConfig {
  const { cluster_id: cluster, raft_term } = header;
  const next = BigInt(header.revision) + 1n;
  const position = { next, cluster, term: BigInt(raft_term), witness: null, isDoubted: false };
  return { text: found?.value.toString("utf8") ?? null, position };
}

/** Until the stream is lost, or its history, or another store answers. */
async function* watchOnce(
  { text, position }: ReadConfig,
  { transport, key }: WatchConfigDeps,
  signal: AbortSignal,
): AsyncGenerator<string | null> {
  yield text;
  const request = { key, start_revision: position.next.toString() };
  using stream = await transport.openWatch(OP, request, signal);
  using _ = addAbortListener(signal, () => stream[Symbol.dispose]());
  for await (const { created, canceled, events, header } of stream.responses) {
    if (canceled || (created && isOfAnotherStore(header, position))) return;
    const last = events.at(-1);
    if (last) yield last.type === "Delete" ? null : last.kv.value.toString("utf8");
  }
}
