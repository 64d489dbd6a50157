// Waits for the network config: it may be written after the daemons were started, and etcd may come up after them.

import { delays } from "../base/backoff.ts";
import { millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { createComplaint } from "../base/complaint.ts";
import { FlannelError, isError, isRetryable } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import type { LeaseStore } from "./lease-store.ts";
import { type NetworkConfig, parseNetworkConfig, unknownConfigMembers } from "./network-config.ts";

export interface AwaitConfigDeps {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Told what is being waited for, in one phrase. */
  readonly onWaiting: (reason: string) => void;
}

/**
 * Resolves with the first config that is there. A missing one and an etcd that does not answer are waited for; one that
 * is there and wrong throws `config.invalid`, because waiting would not mend it. `key` is the full etcd key, for people.
 */
export async function awaitNetworkConfig(
  key: string,
  deps: AwaitConfigDeps,
  signal: AbortSignal,
): Promise<NetworkConfig> {
  const complaint = createComplaint(
    { raised: "waiting for the network config", settled: "found the network config" },
    deps,
  );
  for (const delay of delays({ first: millis(250), max: millis(2000), random: deps.random })) {
    const found = await lookForConfig(key, deps, signal);
    if (found.kind === "config") {
      complaint.settle();
      return parseAt(key, found.text, deps.log);
    }
    deps.onWaiting(found.reason);
    complaint.raise(found.reason, { key, ...(found.hint === null ? {} : { hint: found.hint }) });
    await deps.clock.sleep(delay, signal);
  }
  throw new Error("unreachable: delays() never ends");
}

type Look =
  | { readonly kind: "config"; readonly text: string }
  | { readonly kind: "none"; readonly reason: string; readonly hint: string | null };

async function lookForConfig(key: string, { store }: AwaitConfigDeps, signal: AbortSignal): Promise<Look> {
  try {
    const text = await store.networkConfig(signal);
    return text === null ? await explainMissing(key, store, signal) : { kind: "config", text };
  } catch (error) {
    if (!isRetryable(error)) throw error;
    return { kind: "none", reason: error.message, hint: null };
  }
}

/** etcd: the v2 and v3 APIs keep separate data; what `etcdctl set` wrote through v2 cannot be seen through v3. */
async function explainMissing(key: string, store: LeaseStore, signal: AbortSignal): Promise<Look> {
  const old = await store.v2NetworkConfig(signal);
  if (old === null) {
    return {
      kind: "none",
      reason: `there is no network config at ${key} in etcd`,
      hint: putCommand(key, '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}'),
    };
  }
  return {
    kind: "none",
    reason: `the network config at ${key} is in etcd's v2 store, which the v3 API cannot see; write it again with the command in hint`,
    hint: putCommand(key, old),
  };
}

function putCommand(key: string, config: string): string {
  return `ETCDCTL_API=3 etcdctl put ${key} ${shellQuote(config.trim())}`;
}

function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function parseAt(key: string, text: string, log: Logger): NetworkConfig {
  try {
    const config = parseNetworkConfig(text);
    const unknown = unknownConfigMembers(text);
    // Most likely typing errors, whose defaults would surprise.
    if (unknown.length > 0)
      log.info("the network config has members that nobody reads", { key, reason: unknown.join(", ") });
    return config;
  } catch (error) {
    if (!isError(error, "config.invalid")) throw error;
    const { at, reason } = error.info;
    throw new FlannelError("config.invalid", { at: `network config in etcd at ${key}`, reason: `${at}: ${reason}` });
  }
}
