// One pass of the reconciler: find the difference, apply it, say what is now believed of the kernel.

import type { NetOp } from "./diff.ts";
import { type Difference, diff, diffHeld } from "./diff.ts";
import type { KernelNet, OpFailure } from "./kernel-net.ts";
import type { LinkName, NetObject } from "./objects.ts";
import type { Plan } from "./plan.ts";

/** What is believed of the kernel between two readings. */
export interface Knowledge {
  /** The plan of the last pass. */
  readonly attempted: Plan | null;
  /** The objects that it left in the kernel. */
  readonly holds: readonly NetObject[];
  /** False when something foreign stands in the way, or nothing could be deleted: only a reading tells what is there. */
  readonly certain: boolean;
  /** The last full reading that equalled its plan. */
  readonly verified: { readonly plan: Plan; readonly digest: string } | null;
}

export const NOTHING_KNOWN: Knowledge = { attempted: null, holds: [], certain: false, verified: null };

export interface PassResult {
  /** `read`: against the kernel itself. `delta`: against what the last pass left there. */
  readonly kind: "read" | "delta";
  readonly plan: Plan;
  readonly knowledge: Knowledge;
  readonly ops: readonly NetOp[];
  readonly failures: readonly OpFailure[];
  readonly blocked: Difference["blocked"];
  /** True when the pass undid what somebody else did: the plan is the last one, and not only what failed was missing. */
  readonly repair: boolean;
}

export interface PassDeps {
  readonly kernel: KernelNet;
  /** Called when our own device or address has to be changed, and again with the outcome. */
  readonly onOwn: (trouble: string | null) => void;
}

/** Objects without which no peer can be programmed: our device and its address. */
function isOwn(op: NetOp): boolean {
  return op.object.kind === "link" || op.object.kind === "address";
}

/**
 * Our own devices and addresses come first. When they had to be changed the kernel is read again before the peers,
 * because a device that is made anew or set up takes its routes, neighbours and FDB entries with it. Of a device that
 * cannot be had no peer is tried; those of another one, as the other family has, are.
 */
export async function runPass(
  kind: "read" | "delta",
  plan: Plan,
  known: Knowledge,
  deps: PassDeps,
  signal: AbortSignal,
): Promise<PassResult> {
  const delta = kind === "delta" && known.certain ? diffHeld(plan, known.holds) : null;
  if (delta && !delta.ops.some(isOwn)) return finish("delta", plan, delta, null, known, deps, signal);

  let reading = await readDifference(plan, known, deps.kernel, signal);
  const own = reading.difference.ops.filter(isOwn);
  let refused: readonly OpFailure[] = [];
  if (own.length > 0) {
    deps.onOwn(`the device of this host is not as planned (${own.length} changes to make)`);
    refused = await deps.kernel.apply(own, signal);
    reading = await readDifference(plan, known, deps.kernel, signal);
  }
  const lost = new Set(refused.flatMap(({ op }) => deviceOf(op.object)));
  deps.onOwn(refused[0]?.error.message ?? ownBlocked(reading.difference));
  const difference = withoutDevices(lost, reading.difference);
  const result = await finish("read", plan, difference, reading.digest, known, deps, signal);
  const ops = [...own, ...result.ops];
  const knowledge = lost.size > 0 ? lessDevices(lost, result.knowledge) : result.knowledge;
  return { ...result, ops, knowledge, failures: [...refused, ...result.failures], repair: isRepair(ops, plan, known) };
}

/** The device that an object is or is on; none for one that leads through no device. */
function deviceOf(object: NetObject): readonly LinkName[] {
  if (object.kind === "link") return [object.name];
  return object.kind === "blackhole" ? [] : [object.dev];
}

function isOf(devices: ReadonlySet<LinkName>, object: NetObject): boolean {
  return deviceOf(object).some((name) => devices.has(name));
}

function withoutDevices(devices: ReadonlySet<LinkName>, { ops, blocked }: Difference): Difference {
  if (devices.size === 0) return { ops, blocked };
  return {
    ops: ops.filter(({ object }) => !isOf(devices, object)),
    blocked: blocked.filter(({ want }) => !isOf(devices, want)),
  };
}

/** Of these devices nothing is believed, and only a reading tells what has become of them. */
function lessDevices(devices: ReadonlySet<LinkName>, { attempted, holds }: Knowledge): Knowledge {
  return { attempted, holds: holds.filter((object) => !isOf(devices, object)), certain: false, verified: null };
}

function ownBlocked({ blocked }: Difference): string | null {
  const own = blocked.find(({ want }) => want.kind === "link" || want.kind === "address");
  return own ? `another ${own.by.kind} stands in the place of ours` : null;
}

async function finish(
  kind: "read" | "delta",
  plan: Plan,
  { ops, blocked }: Difference,
  digest: string | null,
  known: Knowledge,
  deps: PassDeps,
  signal: AbortSignal,
): Promise<PassResult> {
  const failures = ops.length > 0 ? await deps.kernel.apply(ops, signal) : [];
  const missing = new Set([...failures.map(({ op }) => op.object), ...blocked.map(({ want }) => want)]);
  const holds = missing.size > 0 ? plan.want.filter((object) => !missing.has(object)) : plan.want;
  const verified = digest !== null && ops.length === 0 && blocked.length === 0 ? { plan, digest } : null;
  const knowledge = { attempted: plan, holds, certain: blocked.length === 0 && plan.complete, verified };
  return { kind, plan, knowledge, ops, failures, blocked, repair: isRepair(ops, plan, known) };
}

/** What failed before, or had no place, was never there to be undone. */
function isRepair(ops: readonly NetOp[], plan: Plan, known: Knowledge): boolean {
  if (ops.length === 0 || known.attempted !== plan) return false;
  const held = new Set(known.holds);
  return ops.some(({ op, object }) => op === "delete" || held.has(object));
}

interface Reading {
  readonly digest: string;
  readonly difference: Difference;
}

const NO_DIFFERENCE: Difference = { ops: [], blocked: [] };

/** A reading with the digest that was verified for this plan needs no decoding: it would give the same nothing again. */
async function readDifference(plan: Plan, known: Knowledge, kernel: KernelNet, signal: AbortSignal): Promise<Reading> {
  const snapshot = await kernel.read(plan.scope, signal);
  const same = known.verified?.plan === plan && known.verified.digest === snapshot.digest;
  return {
    digest: snapshot.digest,
    difference: same ? NO_DIFFERENCE : retaking(diff(plan, snapshot.objects()), known),
  };
}

/**
 * A foreign route that was there before ours is left alone. Where ours was, one has been put over it, as by `ip route
 * replace`, and that is undone like any other change.
 */
function retaking({ ops, blocked }: Difference, { holds }: Knowledge): Difference {
  if (ops.length === 0 && blocked.length === 0) return NO_DIFFERENCE;
  const held = new Set(holds);
  const foreign = new Set<string>(blocked.map(({ by }) => (by.kind === "link" ? by.name : "")));
  const isLost = (object: NetObject) => object.kind === "route" && held.has(object) && !foreign.has(object.dev);
  const retake = (object: NetObject): NetOp => ({ op: "create", object, retake: true });
  return {
    ops: [
      ...ops.map((op) => (op.op === "create" && isLost(op.object) ? retake(op.object) : op)),
      ...blocked.flatMap(({ want }) => (isLost(want) ? [retake(want)] : [])),
    ],
    blocked: blocked.filter(({ want }) => !isLost(want)),
  };
}
