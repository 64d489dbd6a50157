// From leases to the plan: admits peers, asks the backend, and remembers the result while nothing has changed, so that
// the same plan object means the same plan.

import type { Backend, NetworkView } from "./backends/backend.ts";
import type { LogFields, Logger } from "./base/log.ts";
import type { LinkName } from "./net/objects.ts";
import type { Plan } from "./net/plan.ts";
import type { Underlay } from "./net/underlay.ts";
import { admitPeers, type LeftOut } from "./subnet/admission.ts";
import type { Lease, SubnetKey } from "./subnet/lease.ts";
import type { LeaseTable } from "./subnet/lease-table.ts";
import type { NetworkConfig } from "./subnet/network-config.ts";

export interface PlannerInput {
  readonly backend: Backend;
  readonly mark: string;
  readonly device: LinkName | null;
  readonly network: NetworkConfig;
  readonly underlay: Underlay;
  readonly flannelDevices: readonly LinkName[];
  readonly table: () => LeaseTable;
  readonly self: () => Lease;
  /** Told of what the plan is made from, whenever that changes. */
  readonly onView: (view: NetworkView) => void;
  readonly log: Logger;
}

export interface Planner {
  plan(): Plan;
  /** Records that are left out of the plan, as of the last one. */
  leftOut(): readonly LeftOut[];
}

export function createPlanner(input: PlannerInput): Planner {
  const { log } = input;
  const tellUnfit = createTransitionLog(
    { begun: "a record in etcd is left out", over: "a record in etcd is no longer left out" },
    log,
  );
  const tellUnreachable = createTransitionLog(
    { begun: "a peer cannot be reached with this backend", over: "a peer is no longer out of reach" },
    log,
  );
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
      const { peers, unfit, unreachable } = admit(table, self, input);
      leftOut = [...unfit, ...unreachable];
      tellUnfit(unfit.map(({ key, reason }) => ({ key, reason })));
      tellUnreachable(unreachable.map(({ key, reason, peer }) => ({ key, peer, reason })));
      const view = viewOf(input, self, peers, table.complete);
      input.onView(view);
      last = { table, self, plan: input.backend.plan(view) };
      return last.plan;
    },
  };
}

function viewOf(input: PlannerInput, self: Lease, peers: readonly Lease[], complete: boolean): NetworkView {
  const { network, underlay, mark, device, flannelDevices } = input;
  return { network, underlay, mark, device, flannelDevices, self, peers, complete };
}

interface Admitted {
  readonly peers: readonly Lease[];
  /** Records that are no peers of ours. */
  readonly unfit: readonly LeftOut[];
  /** Peers to which the backend cannot send. */
  readonly unreachable: readonly (LeftOut & { readonly peer: string })[];
}

function admit(table: LeaseTable, self: Lease, { backend, network, underlay }: PlannerInput): Admitted {
  const admitted = admitPeers(table, { network, self, backendType: backend.type });
  const faults = new Map<SubnetKey, Admitted["unreachable"][number]>();
  for (const peer of admitted.peers) {
    const reason = backend.peerFault(peer, { self, underlay });
    if (reason !== null) faults.set(peer.key, { key: peer.key, peer: peer.attrs.publicIp, reason });
  }
  const unreadable = [...table.bad].map(([key, reason]): LeftOut => ({ key: key as SubnetKey, reason }));
  return {
    peers: faults.size === 0 ? admitted.peers : admitted.peers.filter(({ key }) => !faults.has(key)),
    unfit: [...admitted.leftOut, ...unreadable],
    unreachable: [...faults.values()],
  };
}

type Condition = LogFields & { readonly key: string; readonly reason: string };

/** One line for each record when a condition begins for it or has another reason, and one when it is over. */
function createTransitionLog(
  texts: { readonly begun: string; readonly over: string },
  log: Logger,
): (conditions: readonly Condition[]) => void {
  let told = new Map<string, string>();
  return (conditions) => {
    const now = new Map(conditions.map(({ key, reason }) => [key, reason]));
    for (const condition of conditions) {
      if (told.get(condition.key) !== condition.reason) log.warn(texts.begun, { ...condition, count: now.size });
    }
    for (const key of told.keys()) {
      if (!now.has(key)) log.info(texts.over, { key });
    }
    told = now;
  };
}
