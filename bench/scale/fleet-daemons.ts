// Many daemons' lease code in one process, each with a store and so a connection of its own, as on as many hosts: acquire,
// hold and follow, without a kernel. Started and told what to do by fleet.ts, over Node's channel between processes.

import { setMaxListeners } from "node:events";
import { systemClock } from "../../src/base/clock.ts";
import { messageOf } from "../../src/base/errors.ts";
import { parseIpv4 } from "../../src/base/ip.ts";
import type { Logger } from "../../src/base/log.ts";
import { systemRandom } from "../../src/base/random.ts";
import { runTasks } from "../../src/base/tasks.ts";
import { openEtcdLeaseStore } from "../../src/etcd/lease-store.ts";
import { type AcquireRequest, acquireLease } from "../../src/subnet/acquire-lease.ts";
import { awaitNetworkConfig } from "../../src/subnet/await-config.ts";
import { createLeaseFollower } from "../../src/subnet/follow-leases.ts";
import { createLeaseHolder } from "../../src/subnet/hold-lease.ts";
import type { Announcement } from "../../src/subnet/lease.ts";
import type { LeaseStore, StoreEvent } from "../../src/subnet/lease-store.ts";
import { parseNetworkConfig } from "../../src/subnet/network-config.ts";
import { peerLease } from "../peer-leases.ts";
import { openCountingProxy } from "./counting-proxy.ts";
import type { FleetCommand, FleetMessage, FleetOptions } from "./fleet.ts";

const QUIET: Logger = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };

/**
 * Of what each host would do on processors of its own and this process cannot do a thousand times at once within the
 * deadlines of a daemon: connecting, and taking in what all the others have written.
 */
const AT_A_TIME = 20;

const controller = new AbortController();
setMaxListeners(0, controller.signal);
const { signal } = controller;

function tell(message: FleetMessage): void {
  process.send?.(message);
}

/** How many daemons have been told of a revision; all of them is news. */
function createDeliveries(daemons: number): (event: StoreEvent) => void {
  const counts = new Map<string, number>();
  return (event) => {
    if (event.kind !== "changes") return;
    const count = (counts.get(event.revision) ?? 0) + 1;
    counts.set(event.revision, count);
    if (count < daemons) return;
    counts.delete(event.revision);
    tell({ kind: "delivered", revision: event.revision, at: systemClock.now() });
  };
}

type Follow = (onEvent: (event: StoreEvent) => void) => Promise<void>;

/** Returns what the daemon does from then on. */
async function joinOne(number: number, store: LeaseStore, options: FleetOptions): Promise<Follow> {
  const { ttl, margin, recount } = options;
  const shared = { store, clock: systemClock, random: systemRandom, log: QUIET, onWaiting: () => {}, onList: () => {} };
  const etcd = { endpoints: [], username: null, tls: { caFile: null, certFile: null, keyFile: null } };
  const deps = { ...shared, etcd, lookAhead: async () => {}, recall: async () => null };
  const began = systemClock.monotonic();
  const { text, list } = await awaitNetworkConfig(`${options.prefix}/config`, deps, signal);
  const network = parseNetworkConfig(text);
  const { publicIp, mac } = peerLease(options.first + number);
  const announcement: Announcement = {
    publicIp: parseIpv4(publicIp),
    publicIpv6: null,
    backendType: "vxlan",
    backendData: { VNI: 1, VtepMAC: mac },
    backendV6Data: null,
  };
  const request: AcquireRequest = {
    network,
    self: { nodeId: null, publicIp: announcement.publicIp, publicIpv6: null },
    addresses: new Set(),
    previous: { v4: null, v6: null },
    advertise: () => announcement,
    ttl,
    recall: () => null,
    list,
    isAway: false,
  };
  const acquired = await acquireLease(request, deps, signal);
  const { lease } = acquired;
  tell({ kind: "acquired", subnet: lease.subnet.v4, millis: systemClock.monotonic() - began });
  return async (onEvent) => {
    const holder = createLeaseHolder(acquired, { ttl, margin }, { ...deps, onChange: () => {} });
    const onChange = (event: StoreEvent) => {
      holder.observe(event);
      onEvent(event);
    };
    const follower = createLeaseFollower(
      acquired,
      { recount },
      { ...deps, self: holder.lease, onChange, onConnected: () => {} },
    );
    const config = async () => {
      for await (const _ of store.watchNetworkConfig(signal));
    };
    await runTasks({ hold: holder.run, follow: follower.run, config }, signal);
  };
}

/** Side by side, so many at a time. */
async function inParts<T, R>(items: readonly T[], size: number, work: (item: T, index: number) => Promise<R>) {
  const results: R[] = [];
  for (let first = 0; first < items.length; first += size) {
    const part = items.slice(first, first + size);
    results.push(...(await Promise.all(part.map((item, index) => work(item, first + index)))));
  }
  return results;
}

/** Resolves at the first event: there is one for every daemon, its own record, which is newer than its list. */
function startFollowing(follow: Follow, onEvent: (event: StoreEvent) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    follow((event) => {
      resolve();
      onEvent(event);
    }).catch((error: unknown) => {
      fail(error);
      reject(error);
    });
  });
}

function fail(error: unknown): void {
  if (!signal.aborted) tell({ kind: "failed", reason: messageOf(error) });
}

/** Node: all channels of a process to one address share a connection; each daemon has an address of its own for etcd. */
function endpointFor(number: number, port: number): string {
  return `http://127.1.${number >> 8}.${number & 255}:${port}`;
}

async function runFleet(options: FleetOptions): Promise<void> {
  const proxy = options.isCounted ? await openCountingProxy(options.port) : null;
  process.on("message", ({ kind }: FleetCommand) => {
    if (kind === "count") tell({ kind: "carried", bytes: proxy?.bytes() ?? 0 });
  });
  const deps = { clock: systemClock, random: systemRandom, log: QUIET };
  const open = (number: number) =>
    openEtcdLeaseStore(
      {
        endpoints: [endpointFor(number, proxy?.port ?? options.port)],
        prefix: options.prefix,
        tls: { caFile: null, certFile: null, keyFile: null },
        auth: null,
      },
      deps,
    );
  const numbers = Array.from({ length: options.daemons }, (_, number) => number);
  const stores = await inParts(numbers, AT_A_TIME, async (number) => {
    const store = await open(number);
    await store.networkConfig(signal);
    return store;
  });
  tell({ kind: "ready" });
  await new Promise((go) => process.once("message", go));
  const joined = await Promise.all(stores.map((store, number) => joinOne(number, store, options)));
  const onEvent = createDeliveries(options.daemons);
  await inParts(joined, AT_A_TIME, (follow) => startFollowing(follow, onEvent));
  tell({ kind: "following" });
}

process.on("disconnect", () => process.exit());
process.on("message", (command: FleetCommand) => {
  if (command.kind === "open") runFleet(command.options).catch(fail);
});
