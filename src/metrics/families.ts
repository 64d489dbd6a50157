// Everything that metrics tell, made from one snapshot of the daemon. Pure. Names follow the conventions of Prometheus:
// base units, "_total" for counters and for nothing else. What has as many members as the network has hosts is left out
// unless it is asked for: a thousand hosts that each tell of a thousand peers are a million series.

import type { DaemonStatus } from "../status/snapshot.ts";
import { dataplaneFamilies } from "./dataplane.ts";
import { counter, type Family, flag, gauge, since, value } from "./family.ts";
import { peerFamilies } from "./peers.ts";
import { storeFamilies } from "./store.ts";

export interface MetricsRequest {
  /** A series for each peer, too. */
  readonly peers: boolean;
}

export function metricFamilies(status: DaemonStatus, { peers }: MetricsRequest): readonly Family[] {
  const families = [
    ...daemonFamilies(status),
    ...leaseFamilies(status),
    ...storeFamilies(status),
    ...dataplaneFamilies(status),
    ...processFamilies(status),
    ...(peers ? peerFamilies(status) : []),
  ];
  return families.filter(({ samples, histograms }) => samples.length > 0 || histograms.length > 0);
}

function daemonFamilies({ state, checks, degraded, process, backend, peerCounts, events }: DaemonStatus) {
  const labels = { version: process.version, runtime: process.runtime, backend: backend?.type ?? "" };
  const failing = (name: string, reason: string | null) => ({
    labels: { check: name },
    value: reason === null ? 0 : 1,
  });
  return [
    gauge("flannel_build_info", "What runs; always 1.", [{ labels, value: 1 }]),
    gauge("flannel_ready", "1 while the host does its work: what /readyz answers.", flag(state !== "not ready")),
    gauge(
      "flannel_check_failing",
      "1 while the host lacks what it needs to do its work.",
      checks.map(({ name, reason }) => failing(name, reason)),
    ),
    gauge(
      "flannel_degraded",
      "1 while this is not as it should be although the host does its work.",
      degraded.map(({ name, reason }) => failing(name, reason)),
    ),
    gauge(
      "flannel_peers",
      "Other hosts: programmed, missing (packets do not get there), held (although the record is gone); refused records.",
      Object.entries(peerCounts).map(([state, value]) => ({ labels: { state }, value })),
    ),
    counter("flannel_events_total", "Transitions that flanneld events tells.", [
      { labels: {}, value: events.recorded },
    ]),
  ];
}

function leaseFamilies({ lease, subnets, underlay, backend }: DaemonStatus): readonly Family[] {
  const info = lease && {
    subnet: lease.subnet ?? "",
    subnet6: lease.subnet6 ?? "",
    public_ip: lease.publicIp ?? lease.publicIpv6 ?? "",
    interface: underlay?.interface ?? "",
    device: backend?.device ?? "",
  };
  const renewals = lease && [
    { labels: { result: "ok" }, value: lease.counts.renewed },
    { labels: { result: "failed" }, value: lease.counts.failed },
  ];
  return [
    gauge("flannel_lease_info", "The lease of this host; always 1.", info ? [{ labels: info, value: 1 }] : []),
    gauge("flannel_lease_held", "1 while the lease is this host's, 0 while another has it.", flag(lease?.held)),
    gauge(
      "flannel_lease_expiry_timestamp_seconds",
      "When the lease ends unless it is renewed; absent for a reservation.",
      since(lease?.expires),
    ),
    counter("flannel_lease_renewals_total", "Renewals of the lease.", renewals ?? []),
    counter(
      "flannel_lease_lost_total",
      "How often the record was gone and was written again.",
      value(lease?.counts.lost),
    ),
    counter("flannel_lease_conflicts_total", "How often another host had the subnet.", value(lease?.counts.conflicts)),
    gauge(
      "flannel_subnets",
      "Subnets that the network has for hosts.",
      subnets === null
        ? []
        : (["allocated", "free"] as const).map((state) => ({ labels: { state }, value: subnets[state] })),
    ),
  ];
}

/** Compat: the names are those that client libraries give them, so that dashboards of processes work. */
function processFamilies({ process }: DaemonStatus): readonly Family[] {
  const { cpuSeconds } = process;
  return [
    counter("process_cpu_seconds_total", "Time on a processor, user and system.", [
      { labels: {}, value: cpuSeconds.user + cpuSeconds.system },
    ]),
    gauge("process_resident_memory_bytes", "Memory in use.", value(process.residentBytes)),
    gauge("process_open_fds", "Open file descriptors.", value(process.openFiles)),
    gauge("process_start_time_seconds", "When the process has started.", since(process.started)),
    gauge("nodejs_heap_size_used_bytes", "Memory in use by JavaScript.", value(process.heapUsedBytes)),
    gauge("nodejs_eventloop_lag_seconds", "How late a callback comes that is due.", value(process.eventLoopLagSeconds)),
    gauge(
      "flannel_event_loop_busy_ratio",
      "Share of its life in which the event loop had something to do.",
      value(process.eventLoopUtilization),
    ),
  ];
}
