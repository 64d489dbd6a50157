import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createCheckEvents } from "../../../src/status/check-events.ts";
import { createEventRing } from "../../../src/status/events.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";

describe("what fails and is over", () => {
  it("is an event when it begins and when it ends, and not while its reason changes", () => {
    const events = createEventRing({ clock: createFakeClock() });
    const tell = createCheckEvents(events);
    const readiness = (lease: string | null, etcd: string | null) => ({
      checks: [{ name: "lease", reason: lease }],
      degraded: [{ name: "etcd", reason: etcd }],
    });
    tell(readiness("not yet", null));
    tell(readiness(null, null));
    tell(readiness(null, "no answer within 5 s"));
    tell(readiness(null, "no answer within 20 s"));
    tell(readiness("taken", "no answer within 20 s"));
    tell(readiness("taken", null));
    assert.deepEqual(
      events.after(0).map(({ level, kind, fields }) => [level, kind, fields]),
      [
        ["info", "what kept the host from being ready is over", { check: "lease" }],
        ["warn", "the host is degraded", { check: "etcd", reason: "no answer within 5 s" }],
        ["warn", "the host is not ready", { check: "lease", reason: "taken" }],
        ["info", "what degraded the host is over", { check: "etcd" }],
      ],
    );
  });

  it("is one that appears later with nothing wrong, no event", () => {
    const events = createEventRing({ clock: createFakeClock() });
    const tell = createCheckEvents(events);
    tell({ checks: [], degraded: [] });
    tell({ checks: [], degraded: [{ name: "etcd", reason: null }] });
    assert.deepEqual(events.after(0), []);
  });
});
