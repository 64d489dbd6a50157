// The network config as it is and whenever it changes. Unlike the leases it is one small value: after a loss it is simply
// read again.

import { addAbortListener } from "node:events";
import { delays } from "../base/backoff.ts";
import { millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { isRetryable } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { EtcdTransport } from "./transport.ts";

export interface WatchConfigDeps {
  readonly transport: EtcdTransport;
  /** Where it is. */
  readonly key: Buffer;
  readonly clock: Clock;
  readonly random: Random;
}

const OP = "watching the network config";

/** The text, or null while there is none; each once, until the signal aborts. Reconnects by itself. */
export async function* watchConfig(deps: WatchConfigDeps, signal: AbortSignal): AsyncGenerator<string | null> {
  let told: string | null | undefined;
  const startPauses = () => delays({ first: millis(1000), max: millis(30_000), random: deps.random });
  let pauses = startPauses();
  while (!signal.aborted) {
    try {
      for await (const text of watchOnce(deps, signal)) {
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

/** Until the stream is lost, or its history. */
async function* watchOnce({ transport, key }: WatchConfigDeps, signal: AbortSignal): AsyncGenerator<string | null> {
  const { header, kvs } = await transport.range(OP, { key }, signal);
  yield kvs[0]?.value.toString("utf8") ?? null;
  const request = { key, start_revision: (BigInt(header.revision) + 1n).toString() };
  using stream = await transport.openWatch(OP, request, signal);
  using _ = addAbortListener(signal, () => stream[Symbol.dispose]());
  for await (const { canceled, events } of stream.responses) {
    if (canceled) return;
    const last = events.at(-1);
    if (last) yield last.type === "Delete" ? null : last.kv.value.toString("utf8");
  }
}
