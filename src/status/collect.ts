// Gathers what the parts of the daemon know into one snapshot. Parts are attached as they come up, so that a daemon which
// still waits for etcd can be asked why. It owns no number itself.

import type { Clock } from "../base/clock.ts";
import type { Histogram } from "../base/histogram.ts";
import type { Json } from "../base/json.ts";
import type { EventRing } from "./events.ts";
import type { CheckStatus, Readiness } from "./readiness.ts";
import { moment } from "./sections.ts";
import type {
  BackendStatus,
  DaemonState,
  DaemonStatus,
  DatapathSnapshot,
  DeviceStatus,
  FirewallSnapshot,
  LeaseStatus,
  LeftOutStatus,
  NetworkStatus,
  PeerCounts,
  PeerStatus,
  ProcessStatus,
  ReconcileSnapshot,
  StoreStatus,
  SubnetCounts,
  Traffic,
  UnderlayStatus,
} from "./snapshot.ts";

/** What there is from the first moment on. */
export interface CollectorDeps {
  readonly clock: Pick<Clock, "now">;
  readonly events: EventRing;
  readonly options: Json;
  readonly readiness: () => Readiness;
  readonly readProcess: () => Promise<ProcessStatus>;
  /** Null when there is no such device. */
  readonly readDevice: (name: string) => Promise<DeviceStatus | null>;
  /** Of a store that was not asked yet. */
  readonly endpoints: readonly string[];
}

/** Each is asked whenever somebody looks. What is not there yet is null. */
export interface StatusSources {
  readonly store: () => StoreStatus;
  readonly network: () => NetworkStatus;
  readonly underlay: () => UnderlayStatus;
  readonly backend: () => BackendStatus;
  readonly lease: () => LeaseStatus;
  readonly subnets: () => SubnetCounts;
  /** By subnet; of those that are counted. */
  readonly peerTraffic: () => Promise<ReadonlyMap<string, Traffic>>;
  readonly peers: (counted: ReadonlyMap<string, Traffic>) => readonly PeerStatus[];
  readonly leftOut: () => readonly LeftOutStatus[];
  readonly reconcile: () => ReconcileSnapshot;
  readonly propagation: () => Histogram;
  readonly firewall: () => FirewallSnapshot;
  readonly datapath: () => DatapathSnapshot;
  readonly neighbourTable: () => Promise<DaemonStatus["neighbourTable"]>;
}

/** What is looked at anew for whoever asks, and waits. */
export type Refresh = () => Promise<void>;

export interface StatusRequest {
  /** With what is counted of each peer, which takes a process to read. Without, their `traffic` is null. */
  readonly peers: boolean;
}

export interface Collector {
  /** These parts are there from now on. */
  attach(sources: Partial<StatusSources>): void;
  status(request?: StatusRequest): Promise<DaemonStatus>;
  /** What is only looked at now and then: before the status is made for a person, and not for a scraper. */
  refreshBy(refresh: Refresh): void;
  refresh: Refresh;
}

export function createCollector(deps: CollectorDeps): Collector {
  let sources: Partial<StatusSources> = {};
  const refreshes: Refresh[] = [];
  return {
    attach(more) {
      sources = { ...sources, ...more };
    },
    status({ peers } = { peers: true }) {
      const { peerTraffic: _, ...others } = sources;
      return collect(peers ? sources : others, deps);
    },
    refreshBy(refresh) {
      refreshes.push(refresh);
    },
    async refresh() {
      await Promise.all(refreshes.map((refresh) => refresh()));
    },
  };
}

async function collect(sources: Partial<StatusSources>, deps: CollectorDeps): Promise<DaemonStatus> {
  const process = await deps.readProcess();
  const neighbourTable = (await sources.neighbourTable?.()) ?? null;
  const counted = (await sources.peerTraffic?.()) ?? new Map();
  const backend = sources.backend?.() ?? null;
  const devices = await readDevices(backend, deps);
  // From here on without a pause, so that the sections are of one moment.
  const { checks, degraded } = deps.readiness();
  const [peers, leftOut] = [sources.peers?.(counted) ?? [], sources.leftOut?.() ?? []];
  return {
    schema: 1,
    at: moment(deps.clock.now()),
    state: stateOf(checks, degraded),
    checks,
    degraded,
    process,
    options: deps.options,
    store: sources.store?.() ?? unasked(deps.endpoints),
    network: sources.network?.() ?? null,
    underlay: sources.underlay?.() ?? null,
    backend,
    lease: sources.lease?.() ?? null,
    subnets: sources.subnets?.() ?? null,
    peers,
    leftOut,
    peerCounts: countPeers(peers, leftOut),
    reconcile: sources.reconcile?.() ?? null,
    propagation: sources.propagation?.() ?? null,
    firewall: sources.firewall?.() ?? null,
    datapath: sources.datapath?.() ?? null,
    device: devices.find(({ name }) => name === backend?.device) ?? null,
    devices,
    neighbourTable,
    events: deps.events.counts(),
  };
}

async function readDevices(backend: BackendStatus | null, { readDevice }: CollectorDeps): Promise<DeviceStatus[]> {
  const found = await Promise.all((backend?.devices ?? []).map(({ name }) => readDevice(name)));
  return found.filter((one) => one !== null);
}

export function stateOf(checks: readonly CheckStatus[], degraded: readonly CheckStatus[]): DaemonState {
  if (checks.some(({ reason }) => reason !== null)) return "not ready";
  return degraded.some(({ reason }) => reason !== null) ? "degraded" : "ready";
}

function countPeers(peers: readonly PeerStatus[], leftOut: readonly LeftOutStatus[]): PeerCounts {
  const counts = { programmed: 0, missing: 0, held: 0, refused: leftOut.length };
  for (const { state } of peers) counts[state] += 1;
  return counts;
}

function unasked(endpoints: readonly string[]): StoreStatus {
  return {
    endpoints,
    connected: null,
    lastAnswer: null,
    lastError: null,
    revision: null,
    certificates: [],
    requests: [],
    watch: null,
  };
}
