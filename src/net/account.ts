// What the passes have done since the start, for whoever watches the daemon: counted as they end, read when somebody asks.

import type { EpochMillis } from "../base/brand.ts";
import { createHistogram, type Histogram } from "../base/histogram.ts";
import type { NetOp } from "./diff.ts";
import type { NetKind, NetObject } from "./objects.ts";
import type { Knowledge, PassResult } from "./pass.ts";

export interface ReconcileAccount {
  /** Passes that read the kernel. */
  readonly readings: number;
  readonly last: { readonly at: EpochMillis; readonly seconds: number } | null;
  readonly seconds: Histogram;
  /** Objects of the last plan, and those of them that are in the kernel as far as is known. */
  readonly desired: ReadonlyMap<NetKind, number>;
  readonly actual: ReadonlyMap<NetKind, number>;
  /** Newest last. */
  readonly lastRepairs: readonly { readonly at: EpochMillis; readonly op: NetOp }[];
  readonly errors: readonly { readonly kind: NetKind; readonly errno: string; readonly count: number }[];
}

export interface Accountant {
  add(result: PassResult, at: EpochMillis, seconds: number): void;
  read(knowledge: Knowledge): ReconcileAccount;
}

const REPAIRS_KEPT = 20;

export function createAccountant(): Accountant {
  const durations = createHistogram();
  const errors = new Map<string, ReconcileAccount["errors"][number]>();
  let readings = 0;
  let last: ReconcileAccount["last"] = null;
  let lastRepairs: ReconcileAccount["lastRepairs"] = [];
  return {
    add(result, at, seconds) {
      if (result.kind === "read") readings += 1;
      durations.observe(seconds);
      last = { at, seconds };
      for (const { op, error } of result.failures) {
        const [kind, errno] = [op.object.kind, error.info.errno];
        const known = errors.get(`${kind} ${errno}`);
        errors.set(`${kind} ${errno}`, { kind, errno, count: (known?.count ?? 0) + 1 });
      }
      const repairs = repairsOf(result).slice(-REPAIRS_KEPT);
      if (repairs.length > 0) lastRepairs = [...lastRepairs, ...repairs.map((op) => ({ at, op }))].slice(-REPAIRS_KEPT);
    },
    read: ({ attempted, holds }) => ({
      readings,
      last,
      seconds: durations.read(),
      desired: countKinds(attempted?.want ?? []),
      actual: countKinds(holds),
      lastRepairs,
      errors: [...errors.values()],
    }),
  };
}

/** Operations that were applied. */
export function doneOf({ ops, failures }: PassResult): readonly NetOp[] {
  const failed = new Set(failures.map(({ op }) => op));
  return ops.filter((op) => !failed.has(op));
}

/** Those of them that undid what somebody else did. */
export function repairsOf(result: PassResult): readonly NetOp[] {
  return result.repair && result.kind === "read" ? doneOf(result) : [];
}

export function countKinds(
  objects: readonly NetObject[],
  before: ReadonlyMap<NetKind, number> = new Map(),
): ReadonlyMap<NetKind, number> {
  const counts = new Map(before);
  for (const { kind } of objects) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** Wanted objects that are not in the kernel, as far as is known. */
export function missingOf({ attempted, holds }: Knowledge): readonly NetObject[] {
  if (attempted === null || holds === attempted.want) return [];
  const held = new Set(holds);
  return attempted.want.filter((object) => !held.has(object));
}
