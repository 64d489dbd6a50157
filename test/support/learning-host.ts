// A host that learns what it is to be, on fakes.

import assert from "node:assert/strict";
import type { Options } from "../../src/cli/options.ts";
import { acquire, learn } from "../../src/learn.ts";
import type { Means } from "../../src/means.ts";
import { createMemory } from "../../src/memory.ts";
import { createEventRing } from "../../src/status/events.ts";
import { createStatusBoard } from "../../src/status-board.ts";
import type { Lease, Revision } from "../../src/subnet/lease.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
import { createFakeKernel } from "../fakes/fake-kernel.ts";
import { createFakeState } from "../fakes/fake-state.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { leaseOf } from "./leases.ts";
import { OPTIONS } from "./options.ts";
import { createScriptedStore } from "./scripted-store.ts";
import { bareHost } from "./vxlan-host.ts";

export const ADDRESS = "192.168.64.2";
export const CONFIG = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}';
export const PEER = leaseOf({ subnet: "10.5.20.0/24", publicIp: "192.168.64.4", nodeId: "peer" });

const unused = () => assert.fail("a start has no business with this port before it has learnt what it is to be");

export function startLearning({ objects = bareHost(ADDRESS), options = {} as Partial<Options> } = {}) {
  const clock = createFakeClock();
  const kernel = createFakeKernel(objects);
  const store = createScriptedStore({ clock });
  const log = createCapturedLog();
  const state = createFakeState();
  const stop = new AbortController();
  let subnetFile: string | null = null;
  const board = createStatusBoard(() => {});
  const means: Means = {
    clock,
    log,
    random: createSeededRandom(1),
    store: {
      ...store,
      reload: unused,
      reconnect: unused,
      health: unused,
      callCounts: unused,
      [Symbol.asyncDispose]: unused,
    },
    kernel,
    board,
    state,
    openStore: unused,
    openKernel: unused,
    openDatapath: unused,
    openPacketSocket: unused,
    pinger: null,
    openPinger: unused,
    openHealth: unused,
    hasCapability: unused,
    lockInstance: unused,
    lockDevices: unused,
    carriedDevices: async () => [],
    runTool: async () => ({ kind: "missing" }),
    hasBridgeFilter: async () => true,
    sysctls: unused,
    watchForwarding: unused,
    openHostSight: unused,
    watchRules: unused,
    ruleGeneration: unused,
    notify: unused,
    watchdog: null,
    status: { attach: unused, status: unused, refreshBy: unused, refresh: unused },
    logLevel: { get: unused, set: unused },
    logTrouble: unused,
    events: createEventRing({ clock }),
    openControl: unused,
    releaseFreeMemory: unused,
    readProcess: unused,
    readDevice: unused,
    onReportRequest: unused,
    onReloadRequest: unused,
    openStateDirectory: unused,
    readMachineId: async () => "machine",
    readSubnetFile: async () => subnetFile,
    writeSubnetFile: unused,
  };
  const chosen = { ...OPTIONS, ...options, firewall: { ...OPTIONS.firewall, forward: false } };
  return {
    clock,
    kernel,
    store,
    log,
    state,
    means,
    learn: () => learn(chosen, means, stop.signal),
    acquire: async () => acquire(await learn(chosen, means, stop.signal), chosen, means, stop.signal),
    publish: (text: string) => {
      subnetFile = text;
    },
    waiting: (topic: string) => board.readiness().checks.find(({ name }) => name === topic)?.reason,
    /** As the last run has left it. */
    remember: async (lease: Lease, config = CONFIG) => {
      const memory = createMemory(chosen.etcd.prefix, means);
      const writer = new AbortController();
      const list = { revision: "7" as Revision, leases: [lease, PEER], bad: [] };
      const acquired = { lease, list, fresh: true };
      const running = memory.run(() => ({ config, acquired }), writer.signal).catch(() => {});
      memory.touch();
      await clock.advance(60_000);
      writer.abort();
      await running;
    },
  };
}
