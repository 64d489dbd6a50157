import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NetObject } from "../../../src/net/objects.ts";
import { RECONCILE_DEFAULTS } from "../../../src/net/reconciler.ts";
import { SOON, slowReadings, startReconciler, wanted } from "../../support/reconciling-host.ts";
import { bareHost, PEER_A, PEER_B, planFor } from "../../support/vxlan-host.ts";

describe("the reconciler", () => {
  it("makes the kernel look like the plan and leaves the rest alone", async () => {
    await using host = startReconciler();
    await host.clock.advance(SOON);
    assert.deepEqual(host.remaining(), []);
    for (const object of bareHost("192.168.64.2").slice(1)) assert.ok(host.has(object));
    assert.equal(host.reconciler.status().trouble, null);
    assert.equal(host.reconciler.status().own, null);
    assert.equal(host.reconciler.status().wanted, 8);
  });

  it("touches nothing while there is no plan, and begins when there is one", async () => {
    await using host = startReconciler({ plan: null });
    await host.clock.advance(SOON);
    assert.equal(host.kernel.readCount(), 0);
    host.change(planFor([PEER_A]));
    await host.clock.advance(SOON);
    assert.deepEqual(host.remaining(), []);
  });

  it("is ready although a peer's entry cannot be programmed", async () => {
    await using host = startReconciler();
    host.kernel.failures.push({ matches: ({ object }) => object.kind === "fdb", errno: "ENOBUFS", times: 1e9 });
    await host.reconciler.ready(host.stop.signal);
    await host.clock.advance(SOON);
    assert.equal(host.reconciler.status().own, null);
    assert.match(host.reconciler.status().trouble ?? "", /ENOBUFS/);
  });

  it("is not ready before it has tried every peer", async () => {
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    await using host = startReconciler({
      wrap: (kernel) => ({
        ...kernel,
        async apply(ops, signal) {
          if (ops.some(({ object }) => object.kind === "route")) await gate;
          return await kernel.apply(ops, signal);
        },
      }),
    });
    let ready = false;
    const waiting = host.reconciler.ready(host.stop.signal).then(() => {
      ready = true;
    });
    await host.clock.advance(SOON);
    assert.deepEqual([ready, host.reconciler.status().own], [false, null]);
    open();
    await waiting;
    assert.deepEqual(host.remaining(), []);
  });

  it("is not ready while its own device cannot be made, tries no peer, and says why", async () => {
    await using host = startReconciler();
    const failure = {
      matches: ({ object }: { object: NetObject }) => object.kind === "link",
      errno: "EPERM",
      times: 3,
    };
    host.kernel.failures.push(failure);
    let ready = false;
    const waiting = host.reconciler.ready(host.stop.signal).then(() => {
      ready = true;
    });
    await host.clock.advance(100);
    assert.equal(ready, false);
    assert.match(host.reconciler.status().own ?? "", /EPERM/);
    assert.ok(host.kernel.applied.every(({ object }) => object.kind === "link" || object.kind === "address"));
    await host.clock.advance(SOON);
    await waiting;
    assert.deepEqual(host.remaining(), []);
  });

  it("applies a change of the plan without reading the kernel, and verifies it by a reading within a second", async () => {
    await using host = startReconciler({ plan: planFor([PEER_A]) });
    await host.clock.advance(SOON);
    const reads = host.kernel.readCount();
    const before = host.kernel.applied.length;
    host.change(planFor([PEER_B]));
    await host.clock.advance(150);
    assert.deepEqual(host.remaining(), []);
    assert.equal(host.kernel.readCount(), reads);
    assert.equal(host.kernel.applied.length - before, 6);
    await host.clock.advance(850);
    assert.equal(host.kernel.readCount(), reads + 1);
    assert.equal(host.kernel.applied.length - before, 6);
  });

  it("applies a change without reading also after it has dealt with a hint", async () => {
    await using host = startReconciler({ plan: planFor([PEER_A]) });
    await host.clock.advance(SOON);
    host.kernel.overrun();
    await host.clock.advance(SOON);
    const reads = host.kernel.readCount();
    host.change(planFor([PEER_B]));
    await host.clock.advance(150);
    assert.deepEqual(host.remaining(), []);
    assert.equal(host.kernel.readCount(), reads);
  });

  it("verifies a change within a second although changes do not stop", async () => {
    await using host = startReconciler({ plan: planFor([]) });
    await host.clock.advance(SOON);
    const reads = host.kernel.readCount();
    for (let turn = 0; turn < 12; turn++) {
      host.change(planFor(turn % 2 === 0 ? [PEER_A] : [PEER_B]));
      await host.clock.advance(100);
    }
    assert.ok(host.kernel.readCount() > reads);
  });

  it("makes one pass of a burst of changes", async () => {
    await using host = startReconciler({ plan: planFor([]) });
    await host.clock.advance(SOON);
    const passes = host.reconciler.status().passes;
    for (const peers of [[PEER_A], [PEER_B], [PEER_A, PEER_B]]) {
      host.change(planFor(peers));
      await host.clock.advance(5);
    }
    await host.clock.advance(100);
    assert.equal(host.reconciler.status().passes, passes + 1);
    assert.deepEqual(host.remaining(), []);
  });

  it("deletes nothing while the plan is incomplete, and what is stale once it is complete", async () => {
    await using host = startReconciler({ plan: planFor([PEER_A, PEER_B]) });
    await host.clock.advance(SOON);
    host.change(planFor([PEER_A], { complete: false }));
    await host.clock.advance(2 * RECONCILE_DEFAULTS.resync);
    assert.ok(host.has(wanted(planFor([PEER_B]), "route")));
    assert.ok(host.kernel.applied.every(({ op }) => op === "create"));
    host.change(planFor([PEER_A]));
    await host.clock.advance(SOON);
    assert.equal(host.has(wanted(planFor([PEER_B]), "route")), false);
    assert.deepEqual(host.remaining(), []);
  });

  it("does not decode a reading again that it has verified for this plan", async () => {
    const readings = slowReadings();
    await using host = startReconciler({ plan: planFor([PEER_A]), wrap: readings.wrap });
    await host.clock.advance(SOON);
    const { decoded } = readings;
    const [before, reads] = [decoded(), host.kernel.readCount()];
    await host.clock.advance(3 * RECONCILE_DEFAULTS.resync);
    assert.ok(host.kernel.readCount() >= reads + 3);
    assert.equal(decoded(), before);
    host.kernel.externally([{ op: "delete", object: wanted(planFor([PEER_A]), "route") }]);
    await host.clock.advance(SOON);
    assert.ok(decoded() > before);
    assert.deepEqual(host.remaining(), []);
  });

  it("has converged only after a clean reading that began later than the question", async () => {
    const readings = slowReadings();
    await using host = startReconciler({ plan: planFor([PEER_A]), wrap: readings.wrap });
    await host.clock.advance(SOON);
    readings.hold();
    host.kernel.overrun();
    await host.clock.advance(150);
    const reads = host.kernel.readCount();
    let answered = false;
    const answer = host.reconciler.converged(host.stop.signal).then(() => {
      answered = true;
    });
    readings.release();
    await host.clock.advance(0);
    assert.equal(answered, false);
    await host.clock.advance(150);
    await answer;
    assert.equal(host.kernel.readCount(), reads + 1);
  });

  it("has not converged while something fails", async () => {
    await using host = startReconciler();
    host.kernel.failures.push({ matches: ({ object }) => object.kind === "fdb", errno: "ENOBUFS", times: 4 });
    let answered = false;
    const answer = host.reconciler.converged(host.stop.signal).then(() => {
      answered = true;
    });
    await host.clock.advance(50);
    assert.equal(answered, false);
    await host.clock.advance(SOON);
    await answer;
    assert.deepEqual(host.remaining(), []);
  });

  it("ends without an error when it is stopped, and leaves the kernel as it is", async () => {
    const host = startReconciler();
    host.kernel.failures.push({ matches: ({ object }) => object.kind === "fdb", errno: "ENOBUFS", times: 1e9 });
    await host.clock.advance(SOON);
    const before = host.kernel.objects();
    const converged = assert.rejects(host.reconciler.converged(host.stop.signal), /stopped/);
    host.stop.abort(new Error("stopped"));
    await host.running;
    await converged;
    await host.clock.advance(RECONCILE_DEFAULTS.resync);
    assert.deepEqual(host.kernel.objects(), before);
    assert.equal(host.clock.sleepers(), 0);
    assert.deepEqual(host.log.messages("error"), []);
  });

  it("ends with the error of a kernel that cannot be read", async () => {
    const stop = new AbortController();
    const host = startReconciler({
      wrap: (kernel) => ({ ...kernel, read: () => Promise.reject(new Error("no socket")) }),
    });
    await assert.rejects(host.running, /no socket/);
    stop.abort();
  });
});
