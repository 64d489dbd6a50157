// (plan, actual) -> operations. Pure: no device is touched here, and nothing unclaimed is ever named in an operation.

import type { NetKey, NetKind, NetObject } from "./objects.ts";
import { keyOf, sameObject } from "./objects.ts";
import type { Plan } from "./plan.ts";

export type NetOp =
  /** `retake`: it was there; what stands in its place now has pushed it out, and does not keep it from coming back. */
  | { readonly op: "create"; readonly object: NetObject; readonly retake?: true }
  | { readonly op: "replace"; readonly object: NetObject; readonly previous: NetObject }
  | { readonly op: "delete"; readonly object: NetObject };

export interface Difference {
  /** In the order in which they must be applied. */
  readonly ops: readonly NetOp[];
  /** Unclaimed objects that stand where we want one of ours: reported, never overwritten. */
  readonly blocked: readonly { readonly want: NetObject; readonly by: NetObject }[];
}

/** The kernel must not ARP for a gateway that we are about to declare: neighbours come before routes. */
const CREATE_ORDER: readonly NetKind[] = ["link", "address", "fdb", "neighbour", "route", "blackhole"];

/**
 * What turns `actual` into `plan.want`. *actual* is a multiset: an equal member satisfies a want and the rest of its
 * key's group is surplus; otherwise the first claimed member becomes a replace. Surplus and unwanted claimed objects
 * are deleted when the plan is complete, and only then (Invariant: I2).
 */
export function diff(plan: Plan, actual: readonly NetObject[]): Difference {
  const groups = groupByKey(actual);
  const changes: NetOp[] = [];
  const deletions: NetOp[] = [];
  const blocked: { want: NetObject; by: NetObject }[] = [];
  for (const [key, want] of lastOfEachKey(plan.want)) {
    const group = groups.get(key) ?? [];
    groups.delete(key);
    const satisfied = group.find((object) => sameObject(object, want));
    const base = satisfied ?? group.find(plan.claims);
    if (!satisfied) {
      const by = group.find((object) => !plan.claims(object));
      if (base) changes.push({ op: "replace", object: want, previous: base });
      else if (by) blocked.push({ want, by });
      else changes.push({ op: "create", object: want });
    }
    deletions.push(
      ...claimedDeletions(
        group.filter((object) => object !== base),
        plan,
      ),
    );
  }
  for (const group of groups.values()) deletions.push(...claimedDeletions(group, plan));
  const foreign = new Set<string>(blocked.flatMap(({ by }) => (by.kind === "link" ? [by.name] : [])));
  const ops = inOrder(changes, deletions);
  return { ops: foreign.size === 0 ? ops : ops.filter(({ object }) => !isOn(foreign, object)), blocked };
}

/**
 * What turns a kernel that holds `held` into one that holds `plan.want`, found without reading it. Objects that both
 * share (the same object, not an equal one) are left out first, so a change of one peer among thousands costs little.
 */
export function diffHeld(plan: Plan, held: readonly NetObject[]): Difference {
  const before = new Set(held);
  const after = new Set(plan.want);
  const changed = { ...plan, want: plan.want.filter((object) => !before.has(object)) };
  return diff(
    changed,
    held.filter((object) => !after.has(object)),
  );
}

/** Of a device that is somebody else's nothing is ours, whatever its name makes us believe. */
function isOn(devices: ReadonlySet<string>, object: NetObject): boolean {
  return "dev" in object && devices.has(object.dev);
}

function claimedDeletions(objects: readonly NetObject[], plan: Plan): NetOp[] {
  if (!plan.complete) return [];
  return objects.filter(plan.claims).map((object) => ({ op: "delete", object }));
}

function groupByKey(objects: readonly NetObject[]): Map<NetKey, NetObject[]> {
  const groups = new Map<NetKey, NetObject[]>();
  for (const object of objects) {
    const key = keyOf(object);
    const group = groups.get(key);
    if (group) group.push(object);
    else groups.set(key, [object]);
  }
  return groups;
}

/** Two wants with one key cannot both be had (two peers announcing one MAC): the later one wins. */
function lastOfEachKey(want: readonly NetObject[]): Map<NetKey, NetObject> {
  return new Map(want.map((object) => [keyOf(object), object]));
}

function inOrder(changes: readonly NetOp[], deletions: readonly NetOp[]): NetOp[] {
  const rank = (op: NetOp) => CREATE_ORDER.indexOf(op.object.kind);
  return [...changes.toSorted((a, b) => rank(a) - rank(b)), ...deletions.toSorted((a, b) => rank(b) - rank(a))];
}
