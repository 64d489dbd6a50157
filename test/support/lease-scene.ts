// Two hosts of a cluster with their leases, one of which is ill-treated.

import { join } from "node:path";
import type { Flanneld } from "../../lab/flanneld.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import type { BackendProfile } from "./backend-profiles.ts";
import { type Cluster, openCluster } from "./cluster.ts";
import { createOverlayHost, type OverlayHost } from "./overlay-host.ts";

export const FLAGS = ["--healthz-port=8081"];

export interface Scene extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly host: OverlayHost;
  /** The daemon of the first host; tests replace it. */
  daemon: Flanneld;
  readonly other: Flanneld;
  readiness(): Promise<string>;
  /** The etcd lease of the first host's record in hexadecimal, "0" for none. */
  leaseId(): Promise<string>;
  /** The first host has remembered all this. */
  remembers(text: string): Promise<void>;
}

/** Two hosts that have found each other. */
export async function openScene(profile: BackendProfile, signal: AbortSignal): Promise<Scene> {
  const cluster = await openCluster(2, profile.config, signal);
  const daemons = await cluster.startAll({ flags: FLAGS });
  const host = createOverlayHost(cluster, profile, signal);
  await host.shows([...profile.ownLines(await host.peer(0)), ...profile.peerLines(await host.peer(1))]);
  const directory = cluster.hosts[0]?.directory ?? "";
  return {
    cluster,
    host,
    daemon: daemons[0] as Flanneld,
    other: daemons[1] as Flanneld,
    readiness: () => {
      const script = `fetch("http://127.0.0.1:8081/readyz").then(async (r) => console.log(r.status, await r.text()))`;
      return cluster.on(0, "node", "-e", script);
    },
    async leaseId() {
      const record = await cluster.etcdctl("get", "-w", "json", host.ownKey());
      return BigInt(/"lease":(\d+)/.exec(record)?.[1] ?? 0).toString(16);
    },
    remembers: async (text) => {
      const look = async () => ((await remembered(cluster, directory)).includes(text) ? true : null);
      await waitFor(`${text} to be remembered`, look, seconds(90), signal);
    },
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

export function remembered(cluster: Cluster, directory: string): Promise<string> {
  return cluster.on(0, "sh", "-c", `cat ${join(directory, "state")}/*.lease || true`);
}
