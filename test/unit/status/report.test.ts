import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createEventRing } from "../../../src/status/events.ts";
import { createReport, type ReportSources } from "../../../src/status/report.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { peerStatusOf, snapshotOf } from "../../support/snapshots.ts";

function sourcesOf(
  status: ReportSources["status"] = async () => snapshotOf({ options: { etcd: "x" } }),
): ReportSources {
  const events = createEventRing({ clock: createFakeClock() });
  events.record("info", "one", {});
  events.record("warn", "two", {});
  return { status, events };
}

async function ask(url: string, sources: ReportSources = sourcesOf()) {
  const { status, body } = await createReport(sources, createFakeClock())(url);
  return { status, body: JSON.parse(body) };
}

describe("a report", () => {
  it("leaves the settings out", async () => {
    const { status, body } = await ask("/status");
    const { options: _, ...expected } = snapshotOf();
    assert.deepEqual([status, body], [200, expected]);
  });

  it("tells only of the peers in trouble, if asked so", async () => {
    const missing = peerStatusOf("10.5.9.0/24", "192.168.64.4", { state: "missing" });
    const peers = [peerStatusOf("10.5.7.0/24", "192.168.64.3"), missing];
    const sources = sourcesOf(async () => snapshotOf({ peers }));
    const peersOf = async (url: string) => {
      const { body } = await ask(url, sources);
      return body.peers;
    };
    assert.deepEqual(await peersOf("/status?peers=troubled"), [missing]);
    assert.deepEqual(await peersOf("/status"), peers);
  });

  it("tells events after a number", async () => {
    const kinds = async (url: string) => {
      const { body } = await ask(url);
      return body.events?.map(({ kind }: { readonly kind: string }) => kind) ?? body;
    };
    assert.deepEqual(await kinds("/events"), ["one", "two"]);
    assert.deepEqual(await kinds("/events?after=1"), ["two"]);
    assert.deepEqual(await kinds("/events?after=-1"), { error: "after must be the number of an event" });
  });

  it("says why there is no snapshot", async () => {
    const sources = sourcesOf(async () => {
      throw new Error("the device cannot be read");
    });
    assert.deepEqual(await ask("/status", sources), { status: 500, body: { error: "the device cannot be read" } });
  });

  it("has one snapshot taken for all who ask within a second, and tells each event at once", async () => {
    let taken = 0;
    const { status } = sourcesOf(async () => {
      taken += 1;
      return snapshotOf();
    });
    const clock = createFakeClock();
    const ring = createEventRing({ clock });
    const report = createReport({ status, events: ring }, clock);
    const answers = await Promise.all(Array.from({ length: 64 }, () => report("/status")));
    assert.equal(new Set(answers.map(({ body }) => body)).size, 1);
    await report("/status?peers=troubled");
    await report("/status?peers=all&more");
    assert.equal(taken, 2);
    await clock.advance(1000);
    await report("/status");
    assert.equal(taken, 3);
    assert.equal((await report("/events")).body, '{"events":[]}\n');
    ring.record("info", "one", {});
    assert.match((await report("/events")).body, /"one"/);
  });
});
