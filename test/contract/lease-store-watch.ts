// What every LeaseStore's watch tells. Part of the suite in lease-store.ts.

import assert from "node:assert/strict";
import { it } from "node:test";
import type { Lease, Revision } from "../../src/subnet/lease.ts";
import type { LeaseChange, StoreEvent } from "../../src/subnet/lease-store.ts";
import { changesOf, describeChange, KEY, OTHER_TEXT, type StoreFixture, TEXT } from "./lease-store-fixture.ts";

interface Opened {
  readonly fixture: StoreFixture;
  readonly signal: AbortSignal;
  readonly claim: () => Promise<Lease>;
  readonly follow: (from: Revision) => AsyncIterator<StoreEvent>;
  readonly untilMarker: (events: AsyncIterator<StoreEvent>) => Promise<readonly LeaseChange[]>;
}

export function watchContract(opened: () => Opened): void {
  const revision = async () => (await opened().fixture.store.list(opened().signal)).revision;

  it("tells everything that happened after a revision, in order", async () => {
    const from = await revision();
    await opened().fixture.write({ "10.5.1.0-24": TEXT, "10.5.2.0-24": OTHER_TEXT });
    await opened().fixture.write({ "10.5.2.0-24": "no lease" });
    await opened().fixture.write({ "10.5.1.0-24": null });
    await opened().fixture.write({ "10.5.2.0-24": null });
    assert.deepEqual((await opened().untilMarker(opened().follow(from))).map(describeChange), [
      "put 10.5.1.0-24",
      "put 10.5.2.0-24",
      "bad 10.5.2.0-24",
      "removed 10.5.1.0-24",
      "removed 10.5.2.0-24",
    ]);
  });

  it("tells a transaction as one event, of its revision", async () => {
    const events = opened().follow(await revision());
    await opened().untilMarker(events);
    await opened().fixture.write({ "10.5.1.0-24": TEXT, "10.5.2.0-24": OTHER_TEXT });
    const { value } = await events.next();
    assert.deepEqual(changesOf(value).map(describeChange), ["put 10.5.1.0-24", "put 10.5.2.0-24"]);
    assert.equal(value.revision, await revision());
  });

  it("tells of a record that its etcd lease takes with it", async () => {
    await opened().claim();
    const events = opened().follow(await revision());
    await opened().fixture.endLease(KEY);
    const { value } = await events.next();
    assert.deepEqual(value.changes, [{ kind: "removed", key: KEY }]);
  });

  it("gives everything afresh when the history after the revision is gone, and goes on from there", async () => {
    const from = await revision();
    await opened().fixture.write({ "10.5.1.0-24": TEXT });
    await opened().fixture.write({ "10.5.1.0-24": null });
    await opened().fixture.write({ "10.5.2.0-24": TEXT });
    await opened().fixture.compact();
    const events = opened().follow(from);
    const { value: reset } = await events.next();
    assert.equal(reset.kind, "reset");
    assert.deepEqual(reset.list, await opened().fixture.store.list(opened().signal));
    await opened().fixture.write({ "10.5.2.0-24": null });
    const { value: change } = await events.next();
    assert.deepEqual(change.changes, [{ kind: "removed", key: "10.5.2.0-24" }]);
  });
}
