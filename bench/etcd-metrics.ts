// What etcd tells of itself at /metrics. Parsing is pure.

import { run } from "../lab/run.ts";
import { inNamespace } from "../lab/topology.ts";

export interface EtcdMetrics {
  /** RPCs begun since it started, by method: "KV/Range". Streams count once. */
  readonly requests: ReadonlyMap<string, number>;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** Watches of clients; those of a grpc-proxy's clients are one where they are of the same range. */
  readonly watchers: number;
  /** Of clients, on the wire. */
  readonly sentBytes: number;
}

const RPC = /^grpc_server_started_total\{.*grpc_method="(\w+)",grpc_service="etcdserverpb\.(\w+)".*\} (\S+)$/gm;

export function parseEtcdMetrics(text: string): EtcdMetrics {
  const requests = new Map<string, number>();
  for (const [, method = "", service = "", count = ""] of text.matchAll(RPC)) {
    requests.set(`${service}/${method}`, Number(count));
  }
  return {
    requests,
    cpuSeconds: metric(text, "process_cpu_seconds_total"),
    residentBytes: metric(text, "process_resident_memory_bytes"),
    watchers: metric(text, "etcd_debugging_mvcc_watcher_total"),
    sentBytes: metric(text, "etcd_network_client_grpc_sent_bytes_total"),
  };
}

/** Throws an error that names the metric when it is not there. */
function metric(text: string, name: string): number {
  const [, value] = new RegExp(`^${name} (\\S+)$`, "m").exec(text) ?? [];
  if (value === undefined) throw new Error(`etcd's metrics have no ${name}`);
  return Number(value);
}

/** What was asked between two readings, by method, without what was not. */
export function requestsBetween(before: EtcdMetrics, after: EtcdMetrics): ReadonlyMap<string, number> {
  const changes = [...after.requests].map(([method, count]) => [method, count - (before.requests.get(method) ?? 0)]);
  return new Map((changes as [string, number][]).filter(([, count]) => count > 0));
}

export function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}

/** Without a namespace etcd is on loopback. */
export async function readEtcdMetrics(
  endpoint: string,
  namespace: string | null,
  signal: AbortSignal,
): Promise<EtcdMetrics> {
  const url = `${endpoint}/metrics`;
  if (namespace === null) return parseEtcdMetrics(await (await fetch(url, { signal })).text());
  const script = `fetch("${url}").then((r) => r.text()).then(console.log)`;
  const { stdout } = await run(inNamespace(namespace, [process.execPath, "-e", script]), {}, signal);
  return parseEtcdMetrics(stdout);
}
