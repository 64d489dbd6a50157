// Waits for the network config: it may be written after the daemons were started, and etcd may come up after them.

import { delays } from "../base/backoff.ts";
import { millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { createComplaint } from "../base/complaint.ts";
import { isError, isRetryable } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { type EtcdPlace, pasteEtcdctl, shellWord } from "../base/paste.ts";
import type { Random } from "../base/random.ts";
import { REMEMBER_AFTER } from "./acquire-lease.ts";
import type { LeaseList, LeaseStore } from "./lease-store.ts";
import { unknownConfigMembers } from "./network-config.ts";

export interface AwaitConfigDeps {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Told what is being waited for, in one phrase. */
  readonly onWaiting: (reason: string) => void;
  /** Looks at what the start will need, each time that there is no config yet. */
  readonly lookAhead: (signal: AbortSignal) => Promise<void>;
  /** For commands that a person is told to run. */
  readonly etcd: EtcdPlace;
  /** The config of the last run if this host can go on with it, else null. */
  readonly recall: () => Promise<string | null>;
}

export interface FoundConfig {
  /** As it is written, whether it makes sense or not. */
  readonly text: string;
  /** False when etcd did not answer and it is remembered. */
  readonly fresh: boolean;
  /** All leases as of the same revision, when one look was enough; else null. */
  readonly list: LeaseList | null;
}

/**
 * Resolves with the first config that is there. A missing one is waited for, and so is an etcd that does not answer,
 * unless the config is remembered. `key` is the full etcd key, for people.
 */
export async function awaitNetworkConfig(
  key: string,
  deps: AwaitConfigDeps,
  signal: AbortSignal,
): Promise<FoundConfig> {
  const start = deps.clock.monotonic();
  const complaint = createComplaint(
    { raised: "waiting for the network config", settled: "found the network config" },
    deps,
  );
  // Whoever waits for a config does not list thousands of leases each time.
  let look = lookAtAll;
  for (const delay of delays({ first: millis(250), max: millis(2000), random: deps.random })) {
    const found = await lookForConfig(key, look, deps, signal);
    look = lookAtConfig;
    if (found.kind === "config") {
      complaint.settle();
      tellUnknownMembers(key, found.text, deps.log);
      return { text: found.text, fresh: true, list: found.list };
    }
    // First, because with the reason all that is known is announced.
    await deps.lookAhead(signal);
    deps.onWaiting(found.reason);
    complaint.raise(found.reason, { key, ...(found.hint === null ? {} : { hint: found.hint }) });
    const isTime = found.isAway && deps.clock.monotonic() - start >= REMEMBER_AFTER;
    const text = isTime ? await deps.recall() : null;
    if (text !== null) return { text, fresh: false, list: null };
    await deps.clock.sleep(delay, signal);
  }
  throw new Error("unreachable: delays() never ends");
}

type Look =
  | { readonly kind: "config"; readonly text: string; readonly list: LeaseList | null }
  /** `isAway`: etcd has not said so. */
  | { readonly kind: "none"; readonly isAway: boolean; readonly reason: string; readonly hint: string | null };

type LookAt = (
  store: LeaseStore,
  signal: AbortSignal,
) => Promise<{ readonly config: string | null; readonly list: LeaseList | null }>;

const lookAtAll: LookAt = (store, signal) => store.survey(signal);
const lookAtConfig: LookAt = async (store, signal) => ({ config: await store.networkConfig(signal), list: null });

async function lookForConfig(key: string, lookAt: LookAt, deps: AwaitConfigDeps, signal: AbortSignal): Promise<Look> {
  try {
    const { config, list } = await lookAt(deps.store, signal);
    return config === null ? await explainMissing(key, deps, signal) : { kind: "config", text: config, list };
  } catch (error) {
    if (!isRetryable(error)) throw error;
    return { kind: "none", isAway: true, reason: error.message, hint: null };
  }
}

/** etcd: the v2 and v3 APIs keep separate data; what `etcdctl set` wrote through v2 cannot be seen through v3. */
async function explainMissing(key: string, { store, etcd }: AwaitConfigDeps, signal: AbortSignal): Promise<Look> {
  const old = await store.v2NetworkConfig(signal);
  if (old === null) {
    return {
      kind: "none",
      isAway: false,
      reason: `there is no network config at ${key} in etcd`,
      hint: putCommand(key, '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}', etcd),
    };
  }
  return {
    kind: "none",
    isAway: false,
    reason: `the network config at ${key} is in etcd's v2 store, which the v3 API cannot see; write it again with the command in hint`,
    hint: putCommand(key, old, etcd),
  };
}

function putCommand(key: string, config: string, etcd: EtcdPlace): string {
  return `ETCDCTL_API=3 ${pasteEtcdctl(`put ${shellWord(key)} ${shellWord(config.trim())}`, etcd)}`;
}

/** Most likely typing errors, whose defaults would surprise. Whether it is a config at all is for others to say. */
function tellUnknownMembers(key: string, text: string, log: Logger): void {
  try {
    const unknown = unknownConfigMembers(text);
    if (unknown.length > 0)
      log.info("the network config has members that nobody reads", { key, reason: unknown.join(", ") });
  } catch (error) {
    if (!isError(error, "config.invalid")) throw error;
  }
}
