// What the demo shows at its end. Pure: facts in, lines out.

import { join } from "node:path";
import type { RunName } from "../lab/cleanup.ts";
import type { Pod } from "../lab/cni.ts";
import { LAUNCHER } from "../lab/flanneld.ts";
import { formatTable, type Style } from "../src/base/terminal-text.ts";
import type { DemoBackend } from "./backends.ts";
import type { Observation } from "./journey.ts";
import type { LogFile } from "./logs.ts";
import type { Matrix } from "./matrix.ts";

/** What there is to know about one host. */
export interface HostFacts {
  readonly pod: Pod;
  /** From its subnet.env. */
  readonly subnet: string;
  readonly mtu: number;
  /** Of the tunnel's device; null when there is none that peers know. */
  readonly mac: string | null;
}

/** A record as it is in etcd. */
export interface LeaseRecord {
  readonly key: string;
  readonly value: string;
}

export function formatHosts(hosts: readonly HostFacts[], style: Style): readonly string[] {
  const withMac = hosts.some(({ mac }) => mac !== null);
  const optional = (cell: string) => (withMac ? [cell] : []);
  const heading = ["host", "namespace", "address", "subnet", "MTU", ...optional("VTEP MAC"), "pod"];
  const rows = hosts.map(({ pod, subnet, mtu, mac }) => [
    ...[pod.host.name, pod.host.namespace, pod.host.address, subnet],
    ...[String(mtu), ...optional(mac ?? "-"), pod.address],
  ]);
  return section("Hosts", formatTable([heading, ...rows]), style);
}

export function formatLeases(leases: readonly LeaseRecord[], prefix: string, style: Style): readonly string[] {
  const lines = leases.flatMap(({ key, value }) => [key, `  ${value}`]);
  return section(`Leases in etcd (etcdctl get --prefix ${prefix})`, lines, style);
}

/** Round trips from the row's pod to the column's. */
export function formatMatrix(pods: readonly Pod[], matrix: Matrix, style: Style): readonly string[] {
  const rows = matrix.map((row, index) => [
    `from ${pods[index]?.host.name}`,
    ...row.map((result) => (result === null ? "-" : (result.roundTrip?.average.toFixed(3) ?? "lost"))),
  ]);
  const heading = ["", ...pods.map((pod) => `to ${pod.host.name}`)];
  return section("Pod to pod, average round trip in ms", formatTable([heading, ...rows]), style);
}

export function formatJourney(from: Pod, to: Pod, stages: readonly Observation[], style: Style): readonly string[] {
  const rows = stages.map((stage) => [
    ...[stage.way, stage.host.name, stage.device, stage.direction],
    ...[`${stage.source} > ${stage.destination}`, stage.what],
    ...[`${stage.packets} packet${stage.packets === 1 ? "" : "s"}`, `${stage.bytes} bytes`],
  ]);
  const title = `How one ping travelled from the pod on ${from.host.name} to the pod on ${to.host.name}, as counted there`;
  return section(title, formatTable(rows), style);
}

export function formatLogs(logs: readonly LogFile[], style: Style): readonly string[] {
  return section("Logs", formatTable(logs.map(({ name, path }) => [name, path])), style);
}

/** A demo that was left running. */
export interface KeptDemo {
  readonly name: RunName;
  readonly endpoint: string;
  readonly backend: DemoBackend;
}

/** What a person may want to do with it; each line works as it is. */
export function formatKept(
  { host, namespace }: Pod,
  { name, endpoint, backend }: KeptDemo,
  style: Style,
): readonly string[] {
  const flanneld = `ip netns exec ${host.namespace} ${LAUNCHER}`;
  const etcd = `--etcd-endpoints=${endpoint}`;
  const files = `--subnet-file=${join(host.directory, "subnet.env")} --state-dir=${join(host.directory, "state")}`;
  const rows = [
    ["ask a daemon", `${flanneld} status --socket=${host.directory}`],
    ["list the leases", `${flanneld} leases ${etcd}`],
    ["check a host", `${flanneld} check ${etcd} --iface=eth0 ${files}`],
    ["enter a host", `ip netns exec ${host.namespace} bash`],
    ["enter a pod", `ip netns exec ${namespace} bash`],
    ["follow a log", `tail -f ${join(host.directory, "flanneld.log")}`],
    ["see what flanneld made", `ip netns exec ${host.namespace} ${backend.show}`],
    ["take it down", `npm run demo -- --down ${name}`],
  ];
  return section("Left running", formatTable(rows), style);
}

function section(title: string, lines: readonly string[], style: Style): readonly string[] {
  return ["", style.heading(title), ...lines.map((line) => `  ${line}`)];
}
