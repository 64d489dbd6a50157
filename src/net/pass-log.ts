// What the reconciler tells the operator: transitions with counts and the first cause, never single attempts.

import type { Logger } from "../base/log.ts";
import { describeObject } from "./objects.ts";
import type { PassResult } from "./pass.ts";

export interface PassLog {
  report(result: PassResult, elapsed: number): void;
  fight(result: PassResult): void;
  /** The fight is over. */
  peace(): void;
}

export function createPassLog(log: Logger): PassLog {
  let outOfSync: string | null = null;
  return {
    report(result, elapsed) {
      const trouble = troubleOf(result);
      if (trouble !== null && trouble !== outOfSync) {
        const failed = result.failures.length + result.blocked.length;
        log.warn("kernel state differs from the leases", { reason: trouble, failed, ops: result.ops.length });
      } else if (trouble === null && outOfSync !== null) {
        log.info("kernel state is as the leases say again", { ops: result.ops.length });
      } else if (result.repair && result.ops.length > 0) {
        log.warn("kernel state was changed by somebody else and is repaired", {
          ops: result.ops.length,
          reason: describeFirst(result),
        });
      }
      outOfSync = trouble;
      if (result.ops.length > 0) {
        log.debug("kernel state changed", {
          ops: result.ops.length,
          ms: Math.round(elapsed),
          reason: describeFirst(result),
        });
      }
    },
    fight(result) {
      log.warn("another agent keeps undoing our kernel state; it is repaired less and less often", {
        ops: result.ops.length,
        reason: describeFirst(result),
        hint: "find out what manages the network of this host (NetworkManager, systemd-networkd, a second flanneld)",
      });
    },
    peace: () => log.info("nobody undoes our kernel state any more"),
  };
}

/** The first reason why the kernel is not as planned after the pass, or null. */
export function troubleOf(result: PassResult): string | null {
  const [failure] = result.failures;
  if (failure) return failure.error.message;
  const [blocked] = result.blocked;
  if (blocked) return `${describeObject(blocked.by)} stands in the place of ${describeObject(blocked.want)}`;
  return null;
}

function describeFirst({ ops }: PassResult): string {
  const [first] = ops;
  return first ? `${first.op} ${describeObject(first.object)}` : "nothing";
}
