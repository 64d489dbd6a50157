// A cluster in one process: whole daemons on fake kernels, one store, one clock that only the test moves. What goes wrong
// in it is in mischief.ts.

import { seconds } from "../../src/base/brand.ts";
import { runDaemon } from "../../src/daemon.ts";
import { describeObject, type Route } from "../../src/net/objects.ts";
import type { Ports } from "../../src/ports.ts";
import { createEventRing } from "../../src/status/events.ts";
import type { Readiness } from "../../src/status/readiness.ts";
import type { DaemonStatus } from "../../src/status/snapshot.ts";
import type { Lease } from "../../src/subnet/lease.ts";
import { type CapturedLog, createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock, type FakeClock } from "../fakes/fake-clock.ts";
import { createFakeDatapath } from "../fakes/fake-datapath.ts";
import { createFakeForwardingHints } from "../fakes/fake-forwarding-hints.ts";
import { createFakeHost, type FakeHost } from "../fakes/fake-host.ts";
import { createFakeKernel, type FakeKernel } from "../fakes/fake-kernel.ts";
import { createFakePackets } from "../fakes/fake-packet-socket.ts";
import { createFakePinger } from "../fakes/fake-pinger.ts";
import { createFakeRuleHints } from "../fakes/fake-rule-hints.ts";
import { createFakeState } from "../fakes/fake-state.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { OPTIONS } from "../support/options.ts";
import { createScriptedStore, type ScriptedStore } from "../support/scripted-store.ts";
import { NO_CALLS, PROCESS } from "../support/snapshots.ts";
import { bareHost } from "../support/vxlan-host.ts";
import { createWay, type Way } from "./cut-off.ts";
import { differences, holds } from "./differences.ts";
import { attachable, blindfolded, deafened, endWithDevice } from "./impaired.ts";
import { untruths } from "./told.ts";

export interface Host {
  readonly ip: string;
  readonly kernel: FakeKernel;
  readonly log: CapturedLog;
  /** What others have put there and may expect to find again. */
  readonly foreign: Set<Route>;
  /** Whether its daemon hears of changes in the kernel, and its watch of changes in the store. */
  deaf: boolean;
  blind: boolean;
  /** Whether its kernel forwards packets. */
  forwards: boolean;
  running: boolean;
  /** Whether it is meant to be in the cluster: from its first start until it leaves. */
  member: boolean;
  /** Does nothing while the daemon runs. */
  start(): void;
  /** To the store. */
  readonly way: Way;
  /** The subnet whose packets it carries, as its daemon believes; null when there is none. */
  holds(): string | null;
  /** What the subnet file says, for a start. */
  writeSubnetFile(text: string): void;
  /** The daemon ends, what it made stays. */
  stop(): Promise<void>;
  /** Whether another host has its subnet, which only an operator can settle. */
  isRobbed(): boolean;
  record(): Lease | undefined;
  /** What others decide on it. */
  readonly sight: FakeHost;
  /** What it says to whoever asks through its control socket; null before that is there. */
  ask(): Promise<DaemonStatus | null>;
  /** What it says of itself beside its work, as "name: reason". */
  degraded(): readonly string[];
  /** Why this host is not as it should be; empty when it is. */
  faults(): Promise<readonly string[]>;
}

export const BACKENDS = ["vxlan", "host-gw", "udp"] as const;
export type BackendType = (typeof BACKENDS)[number];

export interface World {
  readonly clock: FakeClock;
  readonly store: ScriptedStore;
  /** What the network config says now, and whether it once said another. */
  backend(): BackendType;
  hasSwitched(): boolean;
  /** A daemon that runs goes on with what it has read at its start. */
  switchBackend(type: BackendType): void;
  readonly hosts: readonly Host[];
  /** Two hosts that carry one subnet although both could have heard of it. To be asked often. */
  conflicts(): readonly string[];
  end(): Promise<void>;
}

export function createWorld(seed: number, hosts: number, first: BackendType): World {
  const clock = createFakeClock();
  const store = createScriptedStore({ clock });
  let backend = first;
  const switchBackend = (type: BackendType) => {
    backend = type;
    // A narrow range, so that a subnet that is free is soon another's.
    const range = { Network: "10.5.0.0/16", SubnetMax: `10.5.${Math.min(4 * hosts, 230)}.0` };
    store.setConfig(JSON.stringify({ ...range, Backend: { Type: type } }));
  };
  switchBackend(first);
  let switched = false;
  const made = Array.from({ length: hosts }, (_, index) =>
    createHost(addressOf(index), seed * 100 + index, clock, store, () => backend),
  );
  return {
    clock,
    store,
    backend: () => backend,
    hasSwitched: () => switched,
    switchBackend(type) {
      switched = true;
      switchBackend(type);
    },
    hosts: made,
    conflicts: createConflictWatch(made, store, clock),
    end: async () => {
      for (const host of made) await host.stop();
    },
  };
}

/** Foreign peers have the addresses 192.168.64.99 to 104. */
function addressOf(index: number): string {
  return `192.168.64.${index < 90 ? 2 + index : 20 + index}`;
}

/** What was written may be told late, and a watch that was lost is tried again within 5 s. */
const TIME_TO_HEAR = seconds(10);

function createConflictWatch(hosts: readonly Host[], store: ScriptedStore, clock: FakeClock): World["conflicts"] {
  const inTouchSince = new Map<Host, number>();
  const hears = (host: Host) => host.running && !host.way.isCut() && !host.blind && store.isPrompt();
  return () => {
    const holders = new Map<string, Host>();
    const found: string[] = [];
    for (const host of hosts) {
      if (!hears(host)) inTouchSince.delete(host);
      else if (!inTouchSince.has(host)) inTouchSince.set(host, clock.monotonic());
      const subnet = host.holds();
      const since = inTouchSince.get(host);
      if (subnet === null || since === undefined || clock.monotonic() - since < TIME_TO_HEAR) continue;
      const other = holders.get(subnet);
      if (other) found.push(`${other.ip} and ${host.ip} both hold ${subnet}`);
      holders.set(subnet, host);
    }
    return found;
  };
}

function createHost(
  ip: string,
  seed: number,
  clock: FakeClock,
  store: ScriptedStore,
  backend: () => BackendType,
): Host {
  const random = createSeededRandom(seed);
  const kernel = createFakeKernel(bareHost(ip));
  const datapath = createFakeDatapath();
  const log = createCapturedLog();
  const state = createFakeState();
  const way = createWay();
  const sight = createFakeHost();
  let file: string | null = null;
  let readiness: (() => Readiness) | null = null;
  let status: (() => Promise<DaemonStatus>) | null = null;
  let daemon: { readonly stop: AbortController; readonly ended: Promise<void> } | null = null;
  let failure: unknown = null;
  const ports: Ports = {
    clock,
    random,
    log,
    openStore: async () => ({
      ...blindfolded(way.over(store), () => host.blind),
      reload: () => {},
      reconnect: () => {},
      health: () => ({ trouble: null, certificates: [], refusedFiles: null }),
      callCounts: () => NO_CALLS,
      [Symbol.asyncDispose]: async () => {},
    }),
    openKernel: () => ({ ...deafened(kernel, () => host.deaf), [Symbol.dispose]: () => {} }),
    openPinger: async () => createFakePinger(clock),
    openHealth: async (_, checks) => {
      readiness = checks.readiness;
      return { [Symbol.asyncDispose]: async () => {} };
    },
    openControl: async (_, { status: ask }) => {
      status = ask;
      return { isInPlace: async () => true, [Symbol.asyncDispose]: async () => {} };
    },
    readProcess: async () => PROCESS,
    readDevice: async () => null,
    logLevel: { get: () => "info", set: () => {} },
    logTrouble: () => null,
    events: createEventRing({ clock }),
    openDatapath: (options, listener) => attachable(datapath.open(options, listener), kernel),
    openPacketSocket: createFakePackets(() => "refused").open,
    releaseFreeMemory: () => {},
    onReportRequest: () => ({ [Symbol.dispose]: () => {} }),
    onReloadRequest: () => ({ [Symbol.dispose]: () => {} }),
    runTool: async () => ({ kind: "missing" }),
    hasBridgeFilter: async () => true,
    sysctls: async (names) => Object.fromEntries(names.map((name) => [name, host.forwards ? "1" : "0"])),
    watchForwarding: createFakeForwardingHints().watchForwarding,
    openHostSight: async () => sight,
    watchRules: createFakeRuleHints().watchRules,
    ruleGeneration: () => null,
    hasCapability: async () => true,
    lockInstance: async () => ({ [Symbol.dispose]: () => {} }),
    carriedDevices: async () => [],
    lockDevices: async () => ({ [Symbol.dispose]: () => {} }),
    notify: () => {},
    openStateDirectory: () => state,
    readMachineId: async () => null,
    watchdog: null,
    readSubnetFile: async () => file,
    writeSubnetFile: async (_, text) => {
      file = text;
    },
  };
  void endWithDevice(datapath, kernel, new AbortController().signal);
  const supervise = async (signal: AbortSignal) => {
    try {
      await runDaemon(OPTIONS, ports, signal);
    } catch (error) {
      if (!signal.aborted) failure = error;
    }
    host.running = false;
  };
  const record = () => store.leases().find(({ attrs }) => attrs.publicIp === ip);
  const host: Host = {
    ip,
    kernel,
    log,
    foreign: new Set(),
    deaf: false,
    blind: false,
    forwards: true,
    sight,
    ask: async () => (await status?.()) ?? null,
    running: false,
    member: false,
    record,
    start() {
      host.member = true;
      if (host.running) return;
      host.running = true;
      const stop = new AbortController();
      daemon = { stop, ended: supervise(stop.signal) };
    },
    async stop() {
      daemon?.stop.abort(new Error("stopped"));
      await daemon?.ended;
    },
    way,
    writeSubnetFile: (text) => {
      file = text;
    },
    holds() {
      const lease = readiness?.().checks.find(({ name }) => name === "lease");
      const isHeld = host.running && lease?.reason === null;
      return isHeld ? (/^FLANNEL_SUBNET=(.*)$/m.exec(file ?? "")?.[1] ?? null) : null;
    },
    degraded: () =>
      (readiness?.().degraded ?? [])
        .filter(({ reason }) => reason !== null)
        .map(({ name, reason }) => `${name}: ${reason}`),
    isRobbed: () => readiness?.().checks.some(({ reason }) => reason?.includes("belongs to the host")) ?? false,
    async faults() {
      if (failure !== null) return [`the daemon failed: ${failure}`];
      const trampled = [...host.foreign].filter((route) => !holds(kernel, route));
      const missing = trampled.map((route) => `${describeObject(route)} is gone`);
      const own = record();
      if (!host.member) return missing;
      if (!host.running) return [...missing, "it does not run"];
      if (!own) return [...missing, "it has no lease"];
      const waiting = readiness?.().checks.flatMap(({ name, reason }) =>
        reason === null ? [] : [`${name}: ${reason}`],
      );
      const told = status && untruths(await status(), { own, isObstructed: host.foreign.size > 0 });
      const differing = await differences(own, backend(), store, host, datapath);
      return [...missing, ...(waiting ?? []), ...differing, ...(told ?? ["nobody can ask it"])];
    },
  };
  return host;
}
