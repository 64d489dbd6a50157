// Parts of a daemon's snapshot, for tests to which they do not matter, and a whole one to change.

import type { DaemonStatus, DeviceStatus, PeerStatus, ProcessStatus } from "../../src/status/snapshot.ts";
import type { StoreCalls } from "../../src/subnet/lease-store.ts";

export const NO_CALLS: StoreCalls = { lastAnswer: null, lastFailure: null, methods: [] };

export const PROCESS: ProcessStatus = {
  version: "dev",
  runtime: "node 20.20.2",
  pid: 4242,
  started: "2026-03-01T12:00:00.000Z",
  uptimeSeconds: 3723.5,
  cpuSeconds: { user: 1.5, system: 0.5 },
  residentBytes: 64_000_000,
  heapUsedBytes: 16_000_000,
  openFiles: 24,
  eventLoopUtilization: 0.002,
  eventLoopLagSeconds: 0.0001,
  logLevel: "info",
};

export const DEVICE: DeviceStatus = {
  name: "flannel.1",
  traffic: { receivedBytes: 1_500_000, receivedPackets: 1200, sentBytes: 900, sentPackets: 10 },
  errors: { received: 0, sent: 0 },
  dropped: { received: 0, sent: 0 },
};

const NO_HISTOGRAM = { buckets: [{ upTo: 1, count: 0 }], count: 0, sum: 0 };

/** Of a vxlan host with two peers on which all is well. */
export function snapshotOf(changes: Partial<DaemonStatus> = {}): DaemonStatus {
  return {
    schema: 1,
    at: "2026-03-01T13:02:03.500Z",
    state: "ready",
    checks: [
      { name: "config", reason: null },
      { name: "lease", reason: null },
      { name: "device", reason: null },
      { name: "subnet-file", reason: null },
    ],
    degraded: [{ name: "etcd", reason: null, remedy: null, command: null }],
    process: PROCESS,
    options: {},
    store: {
      endpoints: ["http://192.168.64.1:2379"],
      connected: true,
      lastAnswer: "2026-03-01T13:02:01.500Z",
      lastError: null,
      revision: "17",
      certificates: [],
      requests: [],
      watch: { losses: 0, restarts: 0, resyncs: { history: 0, census: 0 } },
    },
    network: {
      prefix: "/coreos.com/network",
      configKey: "/coreos.com/network/config",
      ipv4: "10.5.0.0/16",
      ipv6: null,
      config: '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}',
    },
    underlay: {
      interface: "eth0",
      mtu: 1500,
      address: "192.168.64.2",
      publicIp: "192.168.64.2",
      address6: null,
      publicIpv6: null,
    },
    backend: { type: "vxlan", device: "flannel.1", mtu: 1450, devices: [{ name: "flannel.1", mtu: 1450 }] },
    lease: {
      subnet: "10.5.52.0/24",
      subnet6: null,
      key: "10.5.52.0-24",
      publicIp: "192.168.64.2",
      publicIpv6: null,
      nodeId: "5f".repeat(16),
      held: true,
      kind: "leased",
      expires: "2026-03-02T12:00:03.500Z",
      remainingSeconds: 82_680,
      renewed: "2026-03-01T12:00:03.500Z",
      trouble: null,
      counts: { renewed: 0, failed: 0, lost: 0, conflicts: 0 },
    },
    subnets: { total: 256, allocated: 3, free: 253 },
    peers: [peerStatusOf("10.5.7.0/24", "192.168.64.3"), peerStatusOf("10.5.9.0/24", "192.168.64.4")],
    leftOut: [],
    peerCounts: { programmed: 2, missing: 0, held: 0, refused: 0 },
    reconcile: {
      passes: 4,
      readings: 2,
      last: { at: "2026-03-01T13:02:00.000Z", seconds: 0.002 },
      seconds: NO_HISTOGRAM,
      desired: { link: 1, address: 1, route: 2, neighbour: 2, fdb: 2 },
      actual: { link: 1, address: 1, route: 2, neighbour: 2, fdb: 2 },
      applied: 8,
      repaired: 0,
      repairs: {},
      lastRepairs: [],
      errors: [],
      trouble: null,
    },
    propagation: NO_HISTOGRAM,
    firewall: { mode: "iptables", tools: ["iptables"], checks: 3, written: 1, repaired: 0, trouble: null },
    datapath: null,
    device: DEVICE,
    devices: [DEVICE],
    neighbourTable: { entries: 6, limit: 1024 },
    events: { recorded: 12, kept: 12 },
    ...changes,
  };
}

export function peerStatusOf(subnet: string, publicIp: string, changes: Partial<PeerStatus> = {}): PeerStatus {
  return {
    subnet,
    subnet6: null,
    publicIp,
    publicIpv6: null,
    nodeId: null,
    state: "programmed",
    reason: null,
    since: "2026-03-01T13:00:00.000Z",
    keptSeconds: null,
    traffic: null,
    rttSeconds: null,
    probes: [],
    ...changes,
  };
}
