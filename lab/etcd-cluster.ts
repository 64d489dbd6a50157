// A real etcd of several members, all on one address, each of which can be stopped, frozen and started by itself.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type EtcdOptions, type EtcdServer, startEtcd } from "./etcd.ts";
import { freePorts } from "./server-process.ts";

export interface EtcdCluster extends AsyncDisposable {
  readonly members: readonly EtcdServer[];
  /** "http://127.0.0.1:2379", one for each member. */
  readonly endpoints: readonly string[];
}

export type EtcdClusterOptions = Omit<EtcdOptions, "member" | "port">;

/** In a namespace the members' ports are 2379 and 2380, 2389 and 2390, and so on; elsewhere free ones. */
export async function openEtcdCluster(
  size: number,
  options: EtcdClusterOptions,
  signal: AbortSignal,
): Promise<EtcdCluster> {
  const { namespace, address = "127.0.0.1", directory } = options;
  const names = Array.from({ length: size }, (_, index) => `m${index + 1}`);
  const ports = await Promise.all(
    names.map(async (_, index) =>
      namespace === undefined ? await freePorts(address) : ([2379 + 10 * index, 2380 + 10 * index] as const),
    ),
  );
  const peers = Object.fromEntries(names.map((name, index) => [name, `http://${address}:${ports[index]?.[1]}`]));
  const started = await Promise.allSettled(
    names.map((name, index) => {
      const port = ports[index]?.[0] ?? 0;
      const place = directory === undefined ? {} : { directory: join(directory, name) };
      if (place.directory) mkdirSync(place.directory, { recursive: true });
      return startEtcd({ ...options, ...place, port, member: { name, peers } }, signal);
    }),
  );
  const members = started.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
  const dispose = async () => void (await Promise.all(members.map((member) => member[Symbol.asyncDispose]())));
  const failed = started.find((outcome) => outcome.status === "rejected");
  if (failed) {
    await dispose();
    throw failed.reason;
  }
  return { members, endpoints: members.map(({ endpoint }) => endpoint), [Symbol.asyncDispose]: dispose };
}
