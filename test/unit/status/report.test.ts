import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createEventRing } from "../../../src/status/events.ts";
import { answerReport, type ReportSources } from "../../../src/status/report.ts";
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

describe("answerReport()", () => {
  it("leaves the settings out", async () => {
    const { status, body } = await answerReport("/status", sourcesOf());
    const { options: _, ...expected } = snapshotOf();
    assert.deepEqual([status, body], [200, expected]);
  });

  it("tells only of the peers in trouble, if asked so", async () => {
    const missing = peerStatusOf("10.5.9.0/24", "192.168.64.4", { state: "missing" });
    const peers = [peerStatusOf("10.5.7.0/24", "192.168.64.3"), missing];
    const sources = sourcesOf(async () => snapshotOf({ peers }));
    const peersOf = async (url: string) => {
      const { body } = await answerReport(url, sources);
      return "peers" in body ? body.peers : null;
    };
    assert.deepEqual(await peersOf("/status?peers=troubled"), [missing]);
    assert.deepEqual(await peersOf("/status"), peers);
  });

  it("tells events after a number", async () => {
    const kinds = async (url: string) => {
      const { body } = await answerReport(url, sourcesOf());
      return "events" in body && Array.isArray(body.events) ? body.events.map(({ kind }) => kind) : body;
    };
    assert.deepEqual(await kinds("/events"), ["one", "two"]);
    assert.deepEqual(await kinds("/events?after=1"), ["two"]);
    assert.deepEqual(await kinds("/events?after=-1"), { error: "after must be the number of an event" });
  });

  it("says why there is no snapshot", async () => {
    const sources = sourcesOf(async () => {
      throw new Error("the device cannot be read");
    });
    assert.deepEqual(await answerReport("/status", sources), {
      ...{ status: 500, body: { error: "the device cannot be read" } },
    });
  });
});
