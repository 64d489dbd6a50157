// A host that acquires a lease on the scripted store.

import { createVxlan } from "../../src/backends/vxlan.ts";
import { minutes } from "../../src/base/brand.ts";
import { type AcquireRequest, acquireLease } from "../../src/subnet/acquire-lease.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { networkOf } from "./leases.ts";
import { createScriptedStore } from "./scripted-store.ts";
import { MARK, underlayAt } from "./vxlan-host.ts";

export const OURS = "192.168.64.2";
export const DAY = minutes(24 * 60);

export const WIDE = networkOf({ Network: "10.5.0.0/16" });
/** Exactly three subnets: .1, .2 and .3. */
export const NARROW = networkOf({ Network: "10.5.0.0/22" });

export function startAcquiring(changes: Partial<AcquireRequest> = {}) {
  const clock = createFakeClock();
  const store = createScriptedStore({ clock });
  const log = createCapturedLog();
  const stop = new AbortController();
  const random = createSeededRandom(1);
  const waiting: string[] = [];
  const underlay = underlayAt(OURS);
  const request: AcquireRequest = {
    network: WIDE,
    self: { nodeId: null, publicIp: underlay.publicIp, publicIpv6: null },
    recall: () => null,
    list: null,
    isAway: false,
    addresses: new Set(),
    previous: { v4: null, v6: null },
    advertise: (own) => createVxlan({}).advertise({ underlay, links: [], mark: MARK, own, random }),
    ttl: DAY,
    ...changes,
  };
  const deps = { store, clock, random, log, onWaiting: (reason: string) => waiting.push(reason), onList: () => {} };
  return { clock, store, log, stop, waiting, acquire: () => acquireLease(request, deps, stop.signal) };
}
