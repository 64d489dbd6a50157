// What metrics tell of the kernel and of packets: objects, repairs, firewall rules, devices, the udp data path. Pure.

import type {
  DaemonStatus,
  DatapathSnapshot,
  DeviceStatus,
  KindCounts,
  ReconcileSnapshot,
} from "../status/snapshot.ts";
import { counter, type Family, gauge, histogram, type Sample, value } from "./family.ts";

export function dataplaneFamilies(status: DaemonStatus): readonly Family[] {
  const { reconcile, firewall, devices, datapath, backend, neighbourTable } = status;
  return [
    ...(reconcile ? reconcileFamilies(reconcile) : []),
    counter(
      "flannel_firewall_repairs_total",
      "Changes of firewall rules that undid what somebody else did.",
      value(firewall?.repaired),
    ),
    counter("flannel_firewall_writes_total", "Changes of firewall rules, all of them.", value(firewall?.written)),
    gauge(
      "flannel_device_mtu_bytes",
      "MTU that the device gets; pods have the smallest.",
      (backend?.devices ?? []).map(({ name, mtu }) => ({ labels: { device: name }, value: mtu })),
    ),
    ...deviceFamilies(devices),
    ...(datapath ? datapathFamilies(datapath) : []),
    gauge(
      "flannel_neighbour_table_entries",
      "Entries of the kernel's neighbour table.",
      value(neighbourTable?.entries),
    ),
    gauge("flannel_neighbour_table_limit", "How many it may have (gc_thresh3).", value(neighbourTable?.limit)),
  ];
}

function reconcileFamilies(reconcile: ReconcileSnapshot): readonly Family[] {
  return [
    gauge("flannel_dataplane_objects", "Objects in the kernel: planned, and there as far as is known.", [
      ...byKind(reconcile.desired, { state: "desired" }),
      ...byKind(reconcile.actual, { state: "actual" }),
    ]),
    counter(
      "flannel_dataplane_repairs_total",
      "Objects that somebody else had changed or removed and that were put back.",
      byKind(reconcile.repairs, {}),
    ),
    counter(
      "flannel_dataplane_errors_total",
      "Changes that the kernel has refused.",
      reconcile.errors.map(({ kind, errno, count }) => ({ labels: { kind, errno }, value: count })),
    ),
    histogram("flannel_reconcile_duration_seconds", "Passes of the reconciler.", [
      { labels: {}, histogram: reconcile.seconds },
    ]),
  ];
}

function byKind(counts: KindCounts, labels: Readonly<Record<string, string>>): readonly Sample[] {
  return Object.entries(counts).map(([kind, count]) => ({ labels: { kind, ...labels }, value: count }));
}

/** As node_exporter names them. */
function deviceFamilies(devices: readonly DeviceStatus[]): readonly Family[] {
  const of = (suffix: string, help: string, numberOf: (device: DeviceStatus) => number) =>
    counter(
      `flannel_device_${suffix}_total`,
      help,
      devices.map((device) => ({ labels: { device: device.name }, value: numberOf(device) })),
    );
  return [
    of("receive_bytes", "Received from other hosts, as the kernel counts.", ({ traffic }) => traffic.receivedBytes),
    of("receive_packets", "Received from other hosts, as the kernel counts.", ({ traffic }) => traffic.receivedPackets),
    of("transmit_bytes", "Sent to other hosts, as the kernel counts.", ({ traffic }) => traffic.sentBytes),
    of("transmit_packets", "Sent to other hosts, as the kernel counts.", ({ traffic }) => traffic.sentPackets),
    of("receive_errors", "Packets that were bad.", ({ errors }) => errors.received),
    of("transmit_errors", "Packets that could not be sent.", ({ errors }) => errors.sent),
    of("receive_dropped", "Packets that were dropped although they were good.", ({ dropped }) => dropped.received),
    of("transmit_dropped", "Packets that were dropped before they were sent.", ({ dropped }) => dropped.sent),
  ];
}

const DROPPED = /^dropped([A-Z].*)$/;

/** One family for what is dropped, by reason, and one for each other counter: "sentPackets" is flannel_udp_sent_packets. */
function datapathFamilies({ attached, counters, bufferBytes, features }: DatapathSnapshot): readonly Family[] {
  const entries = Object.entries(counters);
  const dropped = entries.flatMap(([name, count]) => {
    const reason = DROPPED.exec(name)?.[1];
    return reason === undefined ? [] : [{ labels: { reason: snakeCase(reason) }, value: count }];
  });
  const switches = (names: readonly string[], number: number) =>
    names.map((feature) => ({ labels: { feature }, value: number }));
  return [
    gauge("flannel_udp_attached", "1 while packets are carried.", value(attached === null ? 0 : 1)),
    gauge("flannel_udp_buffer_bytes", "The socket's buffer, as granted.", value(bufferBytes)),
    gauge("flannel_udp_feature", "Means of going through the kernel less often: 1 for those in use.", [
      ...switches(features.on, 1),
      ...switches(features.off, 0),
    ]),
    counter("flannel_udp_dropped_packets_total", "Packets that were not carried, by reason.", dropped),
    ...entries
      .filter(([name]) => !DROPPED.test(name))
      .map(([name, count]) =>
        counter(`flannel_udp_${snakeCase(name)}_total`, `${spell(name)}, since the daemon started.`, value(count)),
      ),
  ];
}

/** "sentPackets": "sent_packets" */
function snakeCase(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();
}

/** "sentPackets": "Sent packets" */
function spell(name: string): string {
  const words = snakeCase(name).replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
