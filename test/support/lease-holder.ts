// A lease that is held in a store in memory, with the time and the store in the test's hand.

import { type EpochMillis, minutes } from "../../src/base/brand.ts";
import { createLeaseHolder } from "../../src/subnet/hold-lease.ts";
import type { Lease, LeaseAttrs, LeaseTerm, Revision } from "../../src/subnet/lease.ts";
import type { LeaseStore, StoreEvent } from "../../src/subnet/lease-store.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { leaseOf } from "./leases.ts";
import { createScriptedStore, type ScriptedStore } from "./scripted-store.ts";

export const HOUR = minutes(60);
export const TTL = minutes(24 * 60);
export const SKETCH = { subnet: "10.5.52.0/24", publicIp: "192.168.64.2", mac: "02:00:00:00:00:52" };

export interface HolderStart {
  readonly reserved?: boolean;
  readonly fresh?: boolean;
  readonly nodeId?: string;
  readonly wanted?: (held: Lease) => LeaseAttrs;
  readonly wrap?: (store: ScriptedStore) => LeaseStore;
}

/** A holder of a lease that was just acquired, and a watch that hands it every event. */
export function startHolder({
  reserved = false,
  fresh = true,
  nodeId,
  wanted,
  wrap = (store) => store,
}: HolderStart = {}) {
  const clock = createFakeClock();
  const store = createScriptedStore({ clock });
  const log = createCapturedLog();
  const stop = new AbortController();
  const term: LeaseTerm = reserved ? { kind: "reserved" } : { kind: "until", at: (clock.now() + TTL) as EpochMillis };
  const acquired = store.put(leaseOf(nodeId === undefined ? SKETCH : { ...SKETCH, nodeId }), term);
  const list = { revision: acquired.version.modRevision, leases: [acquired], bad: [] };
  let changes = 0;
  const onChange = () => {
    changes += 1;
  };
  const deps = { store: wrap(store), clock, random: createSeededRandom(1), log, onChange, ...(wanted && { wanted }) };
  const holder = createLeaseHolder({ lease: acquired, list, fresh }, { ttl: TTL, margin: HOUR }, deps);
  const watch = async () => {
    for await (const event of store.watch("0" as Revision, stop.signal)) holder.observe(event);
  };
  const watching = watch();
  const running = holder.run(stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  running.catch(() => {});
  return {
    advance: clock.advance,
    clock,
    store,
    log,
    holder,
    acquired,
    running,
    changes: () => changes,
    record: () => store.leases().find(({ key }) => key === acquired.key),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await watching;
      await running;
    },
  };
}

export function resetTo(revision: string, leases: readonly Lease[]): StoreEvent {
  return { kind: "reset", list: { revision: revision as Revision, leases, bad: [] } };
}
