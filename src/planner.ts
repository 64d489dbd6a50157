// From leases to the plan: admits peers, asks the backend, and remembers the result while nothing has changed, so that
// the same plan object means the same plan.

import type { Backend, NetworkView } from "./backends/backend.ts";
import type { LogFields, Logger } from "./base/log.ts";
import type { Plan } from "./net/plan.ts";
import type { Underlay } from "./net/underlay.ts";
import { admitPeers, type LeftOut } from "./subnet/admission.ts";
import type { Lease, SubnetKey } from "./subnet/lease.ts";
import type { LeaseTable } from "./subnet/lease-table.ts";
import type { NetworkConfig } from "./subnet/network-config.ts";

export interface PlannerInput {
  readonly backend: Backend;
  readonly network: NetworkConfig;
  readonly underlay: Underlay;
  readonly table: () => LeaseTable;
  readonly self: () => Lease;
  readonly log: Logger;
}

export interface Planner {
  plan(): Plan;
  /** Records that are left out of the plan, as of the last one. */
  leftOut(): readonly LeftOut[];
}

export function createPlanner(input: PlannerInput): Planner {
  const tell = createLeftOutLog(input.log);
  let last: { readonly table: LeaseTable; readonly self: Lease; readonly plan: Plan } | null = null;
  const unchanged = (table: LeaseTable, self: Lease) =>
    last?.self === self &&
    last.table.leases === table.leases &&
    last.table.bad === table.bad &&
    last.table.complete === table.complete;
  let leftOut: readonly LeftOut[] = [];
  return {
    leftOut: () => leftOut,
    plan() {
      const table = input.table();
      const self = input.self();
      if (last && unchanged(table, self)) return last.plan;
      const admitted = admit(table, self, input);
      leftOut = admitted.leftOut;
      tell(leftOut);
      const view: NetworkView = {
        network: input.network,
        underlay: input.underlay,
        self,
        peers: admitted.peers,
        complete: table.complete,
      };
      last = { table, self, plan: input.backend.plan(view) };
      return last.plan;
    },
  };
}

interface Admitted {
  readonly peers: readonly Lease[];
  readonly leftOut: readonly LeftOut[];
}

function admit(table: LeaseTable, self: Lease, { backend, network }: PlannerInput): Admitted {
  const admitted = admitPeers(table, { network, self, backendType: backend.type });
  const faults = new Map<string, LeftOut>();
  for (const peer of admitted.peers) {
    const reason = backend.peerFault(peer, self);
    if (reason !== null) faults.set(peer.key, { key: peer.key, reason });
  }
  const unreadable = [...table.bad].map(([key, reason]): LeftOut => ({ key: key as SubnetKey, reason }));
  return {
    peers: faults.size === 0 ? admitted.peers : admitted.peers.filter(({ key }) => !faults.has(key)),
    leftOut: [...admitted.leftOut, ...faults.values(), ...unreadable],
  };
}

/** One line for each record when it is first left out, and one when it is not any more. */
function createLeftOutLog(log: Logger): (leftOut: readonly LeftOut[]) => void {
  let told = new Map<string, string>();
  return (leftOut) => {
    const now = new Map(leftOut.map(({ key, reason }) => [key as string, reason]));
    for (const [key, reason] of now) {
      if (told.get(key) !== reason) log.warn("a record in etcd is left out", recordFields(key, reason, now.size));
    }
    for (const key of told.keys()) {
      if (!now.has(key)) log.info("a record in etcd is no longer left out", { key });
    }
    told = now;
  };
}

function recordFields(key: string, reason: string, count: number): LogFields {
  return { key, reason, count };
}
