import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { minutes } from "../../../src/base/brand.ts";
import { challenge, PATIENCE } from "../../../src/subnet/challenge.ts";
import type { Lease, NodeId } from "../../../src/subnet/lease.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { leaseOf } from "../../support/leases.ts";
import { createScriptedStore } from "../../support/scripted-store.ts";

const US = "us" as NodeId;
const SKETCH = { subnet: "10.5.52.0/24", publicIp: "192.168.64.2", nodeId: "them" };
const { signal } = new AbortController();

function start(sketch: Parameters<typeof leaseOf>[0] = SKETCH) {
  const clock = createFakeClock();
  const store = createScriptedStore({ clock });
  const record = store.put(leaseOf(sketch));
  const asked = challenge(record, US, minutes(60), { store, clock }, signal);
  return {
    clock,
    store,
    record,
    asked,
    now: () => store.leases()[0] as Lease,
    /** What whoever has the record writes into it. */
    answer: (attrs: Partial<Lease["attrs"]>) => store.put({ ...record, attrs: { ...record.attrs, ...attrs } }),
  };
}

describe("a challenge", () => {
  it("is defended by the host that takes it out of its record, and by no other", async () => {
    const answers: readonly (readonly [string, Partial<Lease["attrs"]>])[] = [
      ["defended", {}],
      ["changed", { nodeId: "third" as NodeId }],
      ["changed", { nodeId: null }],
      ["changed", { publicIp: "192.168.64.9" as never }],
      ["changed", { challenger: "third" as NodeId }],
    ];
    for (const [kind, attrs] of answers) {
      const { clock, asked, answer } = start();
      await clock.advance(500);
      answer(attrs);
      await clock.advance(1000);
      assert.equal((await asked).kind, kind, JSON.stringify(attrs));
    }
  });

  it("is not defended by a record that is gone", async () => {
    const { clock, store, record, asked } = start();
    await clock.advance(500);
    store.delete(record.key);
    await clock.advance(1000);
    assert.deepEqual(await asked, { kind: "changed" });
  });

  it("that nobody answers says so when its time is over, and changes nothing but the challenger", async () => {
    const { clock, record, asked, now } = start();
    await clock.advance(PATIENCE - 1);
    assert.deepEqual(now().attrs, { ...record.attrs, challenger: US });
    await clock.advance(1000);
    const outcome = await asked;
    assert.deepEqual(outcome, { kind: "undefended", lease: now() });
  });

  it("waits while another host's is in the record, and asks when that has not been answered", async () => {
    const { clock, asked, now } = start({ ...SKETCH, challenger: "third" });
    await clock.advance(PATIENCE - 1000);
    assert.equal(now().attrs.challenger, "third");
    await clock.advance(2000);
    assert.equal(now().attrs.challenger, US);
    await clock.advance(PATIENCE);
    assert.equal((await asked).kind, "undefended");
  });

  it("is looked at again when another host's was answered, and when the record was rewritten before ours", async () => {
    const other = start({ ...SKETCH, challenger: "third" });
    await other.clock.advance(500);
    other.answer({ challenger: null });
    await other.clock.advance(1000);
    assert.equal((await other.asked).kind, "changed");
    const late = start();
    late.answer({ nodeId: "third" as NodeId });
    await late.clock.advance(1000);
    assert.equal((await late.asked).kind, "changed");
  });
});
