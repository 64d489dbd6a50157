// A reconciler at work on the fake kernel of one host, and what its tests ask of both.

import assert from "node:assert/strict";
import { diff } from "../../src/net/diff.ts";
import type { KernelNet, NetSnapshot } from "../../src/net/kernel-net.ts";
import { type NetObject, sameObject } from "../../src/net/objects.ts";
import type { Plan } from "../../src/net/plan.ts";
import { createReconciler, type Pulse } from "../../src/net/reconciler.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
import { createFakeKernel, type FakeKernel } from "../fakes/fake-kernel.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { bareHost, PEER_A, PEER_B, planFor } from "./vxlan-host.ts";

/** Far longer than any settling or verifying, far shorter than the resync. */
export const SOON = 5000;

interface Start {
  readonly plan?: Plan | null;
  /** What the reconciler is given instead of the fake itself. */
  readonly wrap?: (kernel: FakeKernel) => KernelNet;
  readonly pulse?: Pulse;
}

export function startReconciler(start: Start = {}) {
  const { plan = planFor([PEER_A, PEER_B]), wrap = (kernel) => kernel, pulse } = start;
  const clock = createFakeClock();
  const kernel = createFakeKernel(bareHost("192.168.64.2"));
  const log = createCapturedLog();
  const stop = new AbortController();
  let current = plan;
  const deps = { plan: () => current, kernel: wrap(kernel), clock, random: createSeededRandom(1), log };
  const reconciler = createReconciler(pulse ? { ...deps, pulse } : deps);
  const running = reconciler.run(stop.signal);
  return {
    clock,
    kernel,
    log,
    reconciler,
    running,
    stop,
    change(next: Plan) {
      current = next;
      reconciler.poke();
    },
    has: (object: NetObject) => kernel.objects().some((present) => sameObject(present, object)),
    remaining: () => (current ? diff(current, kernel.objects()).ops : []),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}

export function wanted(plan: Plan, kind: NetObject["kind"], index = 0): NetObject {
  const found = plan.want.filter((object) => object.kind === kind)[index];
  assert.ok(found, `the plan wants no ${kind} ${index}`);
  return found;
}

/** Readings that can be held back after they have been taken, and whose decodings are counted. */
export function slowReadings() {
  let gate: Promise<void> | null = null;
  let decoded = 0;
  let open = () => {};
  const counted = (snapshot: NetSnapshot): NetSnapshot => ({
    digest: snapshot.digest,
    objects() {
      decoded += 1;
      return snapshot.objects();
    },
  });
  return {
    decoded: () => decoded,
    hold() {
      gate = new Promise((resolve) => {
        open = resolve;
      });
    },
    release() {
      gate = null;
      open();
    },
    wrap: (kernel: FakeKernel): KernelNet => ({
      ...kernel,
      async read(scope, signal) {
        const snapshot = await kernel.read(scope, signal);
        if (gate) await gate;
        return counted(snapshot);
      },
    }),
  };
}

/** A kernel that does not tell when it changes. */
export function withoutHints(kernel: FakeKernel): KernelNet {
  return {
    ...kernel,
    async *hints(signal) {
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    },
  };
}
