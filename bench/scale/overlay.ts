// One host of a vxlan network in a lab, an etcd beside it, and any number of peers that are only leases.

import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type EtcdServer, startEtcd } from "../../lab/etcd.ts";
import { type Flanneld, startFlanneld } from "../../lab/flanneld.ts";
import { type Machine, openTopology, type Topology } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { type EtcdMetrics, readEtcdMetrics, requestsBetween, sum } from "../etcd-metrics.ts";
import { type KernelMonitor, openKernelMonitor } from "../kernel-monitor.ts";
import { NETWORK_CONFIG, type PeerChange, PREFIX, writeOf } from "../peer-leases.ts";
import type { WriteReport } from "../write-leases.ts";
import { writeLeases } from "../writer.ts";

export const DEVICE = "flannel.1";

const PROBE = join(import.meta.dirname, "loop-delay.js");
/** For whatever is waited for: a machine with other work may be slow, and what takes longer is broken. */
export const LIMIT = seconds(120);

export interface Overlay extends AsyncDisposable {
  readonly host: Machine;
  startDaemon(): Flanneld;
  monitor(signal: AbortSignal): Promise<KernelMonitor>;
  metrics(signal: AbortSignal): Promise<EtcdMetrics>;
  /** As fast as etcd takes them; with `rate` so many a second. */
  write(changes: readonly PeerChange[], rate: number | null, signal: AbortSignal): Promise<WriteReport>;
  /** The longest time that the daemon's event loop has been held up since the last call, in milliseconds. */
  loopDelay(daemon: Flanneld, signal: AbortSignal): Promise<number>;
}

export async function openOverlay(signal: AbortSignal): Promise<Overlay> {
  const topology = await openTopology({ hosts: 1 }, signal);
  try {
    const [host] = topology.hosts;
    if (!host) throw new Error("the lab has no host");
    const { namespace, address, directory } = topology.etcd;
    const etcd = topology.own(await startEtcd({ namespace, address, directory }, signal));
    const config = { key: `${PREFIX}/config`, value: NETWORK_CONFIG, at: null };
    await writeLeases(namespace, etcd.endpoint, [config], signal);
    return overlayOn(topology, host, etcd);
  } catch (error) {
    await topology[Symbol.asyncDispose]();
    throw error;
  }
}

function overlayOn(topology: Topology, host: Machine, etcd: EtcdServer): Overlay {
  const { namespace } = topology.etcd;
  const loopFile = join(host.directory, "loop-delay");
  const environment = { NODE_OPTIONS: `--import ${pathToFileURL(PROBE)}`, FLANNELD_BENCH_LOOP: loopFile };
  return {
    host,
    startDaemon: () => topology.own(startFlanneld(host, { etcdEndpoints: [etcd.endpoint], environment })),
    monitor: (signal) => openKernelMonitor(host.namespace, DEVICE, signal),
    metrics: (signal) => readEtcdMetrics(etcd.endpoint, namespace, signal),
    write(changes, rate, signal) {
      const job = changes.map((change, n) => writeOf(change, rate && (n * 1000) / rate));
      return writeLeases(namespace, etcd.endpoint, job, signal);
    },
    async loopDelay({ pid }, signal) {
      rmSync(loopFile, { force: true });
      process.kill(pid, "SIGUSR2");
      return Number(await waitFor("the event loop's delay", () => readIfThere(loopFile), LIMIT, signal));
    },
    [Symbol.asyncDispose]: () => topology[Symbol.asyncDispose](),
  };
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** Requests between two readings, but for those of whoever writes the leases. */
export function requestsOfDaemons(before: EtcdMetrics, after: EtcdMetrics): number {
  const requests = new Map(requestsBetween(before, after));
  for (const method of ["KV/Put", "KV/DeleteRange", "Maintenance/Status"]) requests.delete(method);
  return sum(requests);
}
