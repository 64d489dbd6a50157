// From leases to the plan: admits peers, asks the backend, and remembers the result while nothing has changed, so that
// the same plan object means the same plan.

import type { NetworkView } from "./backends/backend.ts";
import { type ReachablePeers, reachablePeers } from "./backends/reachable-peers.ts";
import { createAllowance } from "./base/allowance.ts";
import { minutes } from "./base/brand.ts";
import type { Clock } from "./base/clock.ts";
import type { LogFields, Logger } from "./base/log.ts";
import { createIpv6Watch } from "./lost-ipv6.ts";
import type { LinkName } from "./net/objects.ts";
import type { Plan } from "./net/plan.ts";
import { onLinkOf, type Underlay } from "./net/underlay.ts";
import type { Overlay } from "./overlay.ts";
import { admitPeers, type LeftOut } from "./subnet/admission.ts";
import { hasIpv4, type Lease, type SubnetKey } from "./subnet/lease.ts";
import { withoutIpv6 } from "./subnet/lease-parts.ts";
import type { LeaseTable } from "./subnet/lease-table.ts";

export interface PlannerInput {
  readonly mark: string;
  readonly device: LinkName | null;
  readonly underlay: () => Underlay;
  readonly formerUnderlays: () => readonly LinkName[];
  readonly flannelDevices: readonly LinkName[];
  /** The network and its backend, as now in force. */
  readonly overlay: () => Pick<Overlay, "network" | "backend">;
  readonly table: () => LeaseTable;
  readonly self: () => Lease;
  /** False while another host has our subnet: then nothing of ours may get to a peer. */
  readonly isHeld: () => boolean;
  /** See NetworkView. */
  readonly measuredOffload: (underlay: Underlay) => boolean | null;
  /** Told of what the plan is made from, whenever that changes. */
  readonly onView: (view: NetworkView) => void;
  readonly clock: Pick<Clock, "monotonic">;
  readonly log: Logger;
}

/** Records that are of no use are told one by one, unless they are thousands, or come and go all the time. */
const LINES = { burst: 100, every: minutes(5) };

export interface Planner {
  plan(): Plan;
  /** Records that are left out of the plan, as of the last one. */
  leftOut(): readonly LeftOut[];
  /** Why this host carries no packets of its IPv6 subnet, as a phrase, as of the last plan; null when it does. */
  ipv6Trouble(): string | null;
}

export function createPlanner(input: PlannerInput): Planner {
  const { log } = input;
  const tellUnfit = createTransitionLog(
    { begun: "a record in etcd is left out", over: "a record in etcd is no longer left out" },
    input,
  );
  const tellUnreachable = createTransitionLog(
    { begun: "a peer cannot be reached with this backend", over: "a peer is no longer out of reach" },
    input,
  );
  let last: { readonly basis: Basis; readonly plan: Plan } | null = null;
  let leftOut: readonly LeftOut[] = [];
  let known: readonly Lease[] = [];
  const ipv6 = createIpv6Watch(log);
  return {
    ipv6Trouble: ipv6.trouble,
    leftOut: () => leftOut,
    plan() {
      const basis = basisOf(input);
      if (last && isSame(last.basis, basis)) return last.plan;
      const { peers, unfit, unreachable } = admit(basis, known);
      known = peers;
      leftOut = [...unfit, ...unreachable];
      tellUnfit(unfit.map(({ key, reason }) => ({ key, reason })));
      // A record that has been deleted is not within reach now.
      const isThere = (key: string) => basis.leases.has(key as SubnetKey);
      tellUnreachable(
        unreachable.map(({ key, reason, peer }) => ({ key, peer, reason })),
        isThere,
      );
      const owner = ipv6.look(basis);
      const carried = owner === null ? peers : peers.flatMap(ipv4PartOf);
      const view = viewOf(input, basis, basis.isHeld ? carried : []);
      input.onView(view);
      last = { basis, plan: basis.backend.plan(view) };
      return last.plan;
    },
  };
}

/** All that a plan follows from and that may change. */
interface Basis extends Pick<Overlay, "network" | "backend"> {
  readonly underlay: Underlay;
  readonly leases: LeaseTable["leases"];
  readonly bad: LeaseTable["bad"];
  readonly complete: boolean;
  readonly self: Lease;
  readonly isHeld: boolean;
  readonly measuredOffload: boolean | null;
}

function basisOf(input: PlannerInput): Basis {
  const { network, backend } = input.overlay();
  const { leases, bad, complete } = input.table();
  const [underlay, self, isHeld] = [input.underlay(), input.self(), input.isHeld()];
  const measuredOffload = input.measuredOffload(underlay);
  return { network, backend, underlay, leases, bad, complete, self, isHeld, measuredOffload };
}

function isSame(a: Basis, b: Basis): boolean {
  return (Object.keys(a) as (keyof Basis)[]).every((name) => a[name] === b[name]);
}

function viewOf(
  input: PlannerInput,
  { network, underlay, self, complete, measuredOffload }: Basis,
  peers: readonly Lease[],
): NetworkView {
  const { mark, device, flannelDevices } = input;
  const formerUnderlays = input.formerUnderlays();
  const host = { underlay, mark, device, flannelDevices, formerUnderlays, measuredOffload };
  return { network, ...host, self, peers, complete };
}

interface Admitted extends ReachablePeers {
  /** Records that are no peers of ours. */
  readonly unfit: readonly LeftOut[];
}

function admit({ leases, bad, self, backend, network, underlay }: Basis, known: readonly Lease[]): Admitted {
  const admitted = admitPeers({ leases }, { network, self, backendType: backend.type, onLink: onLinkOf(underlay) });
  const faultOf = (peer: Lease) => backend.peerFault(peer, { self, underlay });
  const unreadable = [...bad].map(([key, reason]): LeftOut => ({ key: key as SubnetKey, reason }));
  return {
    ...reachablePeers(admitted.peers, { backend, faultOf, leases, known }),
    unfit: [...admitted.leftOut, ...unreadable],
  };
}

function ipv4PartOf(peer: Lease): readonly Lease[] {
  return hasIpv4(peer.subnet) ? [withoutIpv6(peer)] : [];
}

type Condition = LogFields & { readonly key: string; readonly reason: string };

/**
 * One line for each record when a condition begins for it or has another reason, and one when it is over, if that is to be
 * told of the record. Of what was not told for there was too much, the end is not told, either.
 */
function createTransitionLog(
  texts: { readonly begun: string; readonly over: string },
  { log, clock }: Pick<PlannerInput, "log" | "clock">,
): (conditions: readonly Condition[], isToldOver?: (key: string) => boolean) => void {
  const allowance = createAllowance(LINES, clock);
  let told = new Map<string, string>();
  const tell = (condition: Condition, count: number): string | undefined => {
    const before = told.get(condition.key);
    if (before === condition.reason || allowance.wait() > 0) return before;
    allowance.take();
    log.warn(texts.begun, { ...condition, count });
    return condition.reason;
  };
  return (conditions, isToldOver = () => true) => {
    const now = new Set(conditions.map(({ key }) => key));
    const next = new Map<string, string>();
    for (const condition of conditions) {
      const reason = tell(condition, now.size);
      if (reason !== undefined) next.set(condition.key, reason);
    }
    for (const key of told.keys()) {
      if (!now.has(key) && isToldOver(key)) log.info(texts.over, { key });
    }
    told = next;
  };
}
