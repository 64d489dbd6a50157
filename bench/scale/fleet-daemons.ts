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
import { acquireLease } from "../../src/subnet/acquire-lease.ts";
import { awaitNetworkConfig } from "../../src/subnet/await-config.ts";
import { createLeaseFollower } from "../../src/subnet/follow-leases.ts";
import { createLeaseHolder } from "../../src/subnet/hold-lease.ts";
import type { LeaseAttrs } from "../../src/subnet/lease.ts";
import type { LeaseStore, StoreEvent } from "../../src/subnet/lease-store.ts";
import { peerLease } from "../peer-leases.ts";
import type { FleetCommand, FleetMessage, FleetOptions } from "./fleet.ts";

const QUIET: Logger = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };

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

async function runDaemon(
  number: number,
  store: LeaseStore,
  options: FleetOptions,
  onEvent: (event: StoreEvent) => void,
): Promise<void> {
  const deps = { store, clock: systemClock, random: systemRandom, log: QUIET, onWaiting: () => {} };
  const began = systemClock.monotonic();
  const { ipv4: network } = await awaitNetworkConfig(`${options.prefix}/config`, deps, signal);
  if (network === null) throw new Error("the network config has no IPv4 network");
  const { publicIp, mac } = peerLease(options.first + number);
  const attrs: LeaseAttrs = {
    publicIp: parseIpv4(publicIp),
    publicIpv6: null,
    backendType: "vxlan",
    backendData: { VNI: 1, VtepMAC: mac },
    backendV6Data: null,
  };
  const ttl = options.ttl;
  const acquired = await acquireLease(
    { network, publicIp: attrs.publicIp, previous: null, advertise: () => attrs, ttl },
    deps,
    signal,
  );
  const millis = systemClock.monotonic() - began;
  tell({ kind: "acquired", subnet: acquired.lease.subnet.v4, millis });
  const holder = createLeaseHolder(acquired.lease, { ttl, margin: options.margin }, { ...deps, onChange: () => {} });
  const onChange = (event: StoreEvent) => {
    holder.observe(event);
    onEvent(event);
  };
  const follower = createLeaseFollower(
    acquired.list,
    { recount: options.recount },
    { ...deps, self: holder.lease, onChange },
  );
  await runTasks({ hold: holder.run, follow: follower.run }, signal);
}

async function runFleet(options: FleetOptions): Promise<void> {
  const etcd = {
    endpoints: [options.endpoint],
    prefix: options.prefix,
    tls: { caFile: null, certFile: null, keyFile: null },
    auth: null,
  };
  const deps = { clock: systemClock, random: systemRandom };
  const stores = await Promise.all(Array.from({ length: options.daemons }, () => openEtcdLeaseStore(etcd, deps)));
  tell({ kind: "ready" });
  await new Promise((go) => process.once("message", go));
  const onEvent = createDeliveries(options.daemons);
  await Promise.all(
    stores.map(async (store, number) => {
      try {
        await runDaemon(number, store, options, onEvent);
      } catch (error) {
        if (!signal.aborted) tell({ kind: "failed", reason: messageOf(error) });
      }
    }),
  );
}

process.on("disconnect", () => process.exit());
process.on("message", (command: FleetCommand) => {
  if (command.kind === "open") void runFleet(command.options);
});
