// A daemon that can be asked: its snapshot is what the test says, its events are real.

import type { ControlDesk } from "../../src/control/desk.ts";
import { createEventRing } from "../../src/status/events.ts";
import type { DaemonStatus, LogLevel } from "../../src/status/snapshot.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
import { snapshotOf } from "./snapshots.ts";

export interface FakeDesk extends ControlDesk {
  snapshot: DaemonStatus;
  reloads: number;
}

export function createFakeDesk(snapshot: DaemonStatus = snapshotOf()): FakeDesk {
  let level: LogLevel = "info";
  const desk: FakeDesk = {
    snapshot,
    reloads: 0,
    status: async () => desk.snapshot,
    events: createEventRing({ clock: createFakeClock() }),
    logLevel: {
      get: () => level,
      set: (next) => {
        level = next;
      },
    },
    reload() {
      desk.reloads += 1;
    },
  };
  return desk;
}
