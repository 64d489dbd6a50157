// Whether everything is as it was at the start. The comparison is pure; reading touches the hosts and etcd.

import { readFileSync } from "node:fs";
import { attempt } from "../lab/run.ts";
import { inNamespace } from "../lab/topology.ts";
import { publicIpOf } from "./history.ts";
import type { StoredRecord } from "./store.ts";
import { HEALTH_PORT, type SoakHost, type World } from "./world.ts";

export interface Condition {
  /** Null when there is none. */
  readonly config: string | null;
  readonly records: readonly StoredRecord[];
  /** How far the watch of the records has come. */
  readonly watched: number;
  readonly hosts: readonly HostCondition[];
}

export interface HostCondition {
  readonly name: string;
  readonly publicIp: string;
  readonly key: string;
  readonly running: boolean;
  /** The answer of /readyz: status and body; the reason when there was none. */
  readonly readiness: string;
  /** All that flanneld has made, one object a line. */
  readonly kernel: readonly string[];
  readonly subnetFile: string;
}

/** Kernel: the neighbour table is the whole machine's, in all namespaces; others may fill it. */
const READY = /^200 flanneld is ready(, but degraded: neighbours: [^;]*)?$/;

/** A sentence for each difference; none when all is as at the start. */
export function listTroubles(start: Condition, now: Condition): readonly string[] {
  const known = new Set(now.hosts.map(({ key }) => key));
  const foreign = now.records.filter(({ key }) => !known.has(key));
  const newest = Math.max(0, ...now.records.map(({ modRevision }) => modRevision));
  return [
    ...(now.config === start.config ? [] : [`the network config is ${now.config ?? "gone"}`]),
    ...foreign.map(({ key }) => `there is a record ${key}, which is no host's`),
    ...now.hosts.flatMap((host, index) => {
      const record = now.records.find(({ key }) => key === host.key);
      return [...listRecordTroubles(host, record), ...listHostTroubles(start.hosts[index] ?? host, host)];
    }),
    ...(now.watched < newest ? [`the watch of the records is at revision ${now.watched} of ${newest}`] : []),
  ];
}

function listRecordTroubles(
  { name, publicIp, key }: HostCondition,
  record: StoredRecord | undefined,
): readonly string[] {
  if (record === undefined) return [`${name} has no record`];
  if (publicIpOf(record.value) !== publicIp) return [`the record ${key} is not ${name}'s: ${record.value}`];
  return record.leaseId === null ? [`the record ${key} does not expire`] : [];
}

function listHostTroubles(start: HostCondition, now: HostCondition): readonly string[] {
  if (!now.running) return [`flanneld on ${now.name} has ended`];
  return [
    ...(READY.test(now.readiness) ? [] : [`/readyz on ${now.name} says: ${now.readiness}`]),
    ...(now.subnetFile === start.subnetFile ? [] : [`${now.name} has another subnet.env: ${now.subnetFile}`]),
    ...start.kernel.filter((line) => !now.kernel.includes(line)).map((line) => `${now.name} lacks: ${line}`),
    ...now.kernel.filter((line) => !start.kernel.includes(line)).map((line) => `${now.name} has in excess: ${line}`),
  ];
}

/** Throws only when aborted: an etcd or a host that does not answer is a condition, too. */
export async function readCondition(world: World, signal: AbortSignal): Promise<Condition> {
  const { store, watch } = world;
  const orElse = async <T>(read: Promise<T>, other: T) => {
    try {
      return await read;
    } catch {
      signal.throwIfAborted();
      return other;
    }
  };
  return {
    hosts: await Promise.all(world.hosts.map((host) => readHost(host, signal))),
    config: await orElse(store.readConfig(signal), null),
    records: await orElse(store.readRecords(signal), []),
    watched: watch.revision(),
  };
}

async function readHost(host: SoakHost, signal: AbortSignal): Promise<HostCondition> {
  const { machine, key, daemon } = host;
  const kernel = await readKernel(host, signal);
  const readiness = await attempt(inNamespace(machine.namespace, ["bash", "-c", READINESS]), {}, signal);
  return {
    name: machine.name,
    publicIp: machine.address,
    key,
    running: daemon.running(),
    readiness: formatAnswer(readiness.stdout) || readiness.stderr.trim().slice(-200) || "nothing",
    kernel,
    subnetFile: readText(daemon.subnetFile),
  };
}

/** One object a line. */
export async function readKernel({ machine }: SoakHost, signal: AbortSignal): Promise<readonly string[]> {
  const { stdout } = await attempt(inNamespace(machine.namespace, ["sh", "-c", KERNEL_STATE]), {}, signal);
  return stdout.split("\n").filter(Boolean);
}

/**
 * The lines that the kernel shows for devices of tunnels, the underlay's MTU, addresses, routes, neighbours and forwarding
 * entries that somebody has set, and rules of iptables and of our table of nftables. Without indices, and without what only
 * tells whether somebody carries packets at the moment (udp).
 */
const KERNEL_STATE = `{
  for type in vxlan tun; do ip -d -o link show type $type; done
  ip -o link show eth0 | grep -o "mtu [0-9]*" | sed "s/^/eth0 /"
  ip -4 -o addr show
  ip -4 route show table all
  ip neigh show nud permanent
  bridge fdb show | grep "dev flannel.* permanent"
  for tool in iptables-nft-save iptables-legacy-save; do $tool 2>/dev/null | grep -E "^-[AN]|^:FORWARD DROP"; done
  nft list table ip flannel-ipv4 2>/dev/null
} | sed -E 's/^[0-9]+: //; s/NO-CARRIER,|,LOWER_UP| state [A-Z]+| linkdown//g; s/ \\[[0-9:]+\\]$//; s/[[:space:]]+$//' | sort -u`;

/** Without a program that would have to be installed. */
const READINESS = `exec 3<>/dev/tcp/127.0.0.1/${HEALTH_PORT} && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && timeout 5 cat <&3`;

/** An answer in HTTP -> its status and its body. */
export function formatAnswer(answer: string): string {
  const status = /^HTTP\/1\.[01] (\d+)/.exec(answer)?.[1];
  return status === undefined ? "" : `${status} ${answer.slice(answer.indexOf("\r\n\r\n") + 4)}`;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
