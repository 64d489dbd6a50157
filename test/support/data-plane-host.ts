// A data plane on a fake data path, with the time and the device in the test's hand.

import assert from "node:assert/strict";
import type { NetworkView } from "../../src/backends/backend.ts";
import { createUdp } from "../../src/backends/udp.ts";
import type { Userspace } from "../../src/backends/userspace.ts";
import { type DataPlane, openDataPlane } from "../../src/data-plane.ts";
import { type CapturedLog, createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock, type FakeClock } from "../fakes/fake-clock.ts";
import { createFakeDatapath, type FakeDatapath } from "../fakes/fake-datapath.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { UDP_UNDERLAY, udpView } from "./udp-host.ts";

export interface DataPlaneHost extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly log: CapturedLog;
  readonly datapath: FakeDatapath;
  /** Ends whatever runs. */
  readonly stop: AbortController;
  /** The one that is open. */
  readonly plane: DataPlane;
  open(options?: object): void;
  /** What the plane is told of, with the options of the config. */
  follow(view: NetworkView, options?: object): void;
  /** Lets it run, on a device that is always ready if nothing else is said; resolves when it has ended. */
  begin(deviceReady?: (signal: AbortSignal) => Promise<void>): Promise<void>;
  /** Opens it with a view, lets it run, and waits until it has done what it does at once; `ended` is its end. */
  run(deviceReady?: (signal: AbortSignal) => Promise<void>): Promise<{ readonly ended: Promise<void> }>;
}

export function openDataPlaneHost(): DataPlaneHost {
  const clock = createFakeClock();
  const log = createCapturedLog();
  const datapath = createFakeDatapath();
  const stop = new AbortController();
  let plane: DataPlane | null = null;
  let ended = Promise.resolve();
  const host: DataPlaneHost = {
    clock,
    log,
    datapath,
    stop,
    get plane() {
      assert.ok(plane);
      return plane;
    },
    open(options = {}) {
      const deps = { clock, random: createSeededRandom(1), log, openDatapath: datapath.open };
      plane = openDataPlane(userspaceOf(options), UDP_UNDERLAY, deps);
    },
    follow: (view, options = {}) => host.plane.follow(view, userspaceOf(options)),
    begin(deviceReady = async () => {}) {
      ended = host.plane.run(deviceReady, stop.signal);
      ended.catch(() => {});
      return ended;
    },
    async run(deviceReady) {
      host.open();
      host.follow(udpView());
      const running = { ended: host.begin(deviceReady) };
      await clock.advance(0);
      return running;
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error("stopped"));
      await ended.catch(() => {});
      plane?.[Symbol.dispose]();
    },
  };
  return host;
}

function userspaceOf(options: object): Userspace {
  const { userspace } = createUdp({ ...options });
  assert.ok(userspace);
  return userspace;
}
