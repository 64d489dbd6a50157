// A lease store on a real etcd, under a prefix of its own, and the administrator of that etcd beside it.

import { Etcd3 } from "etcd3";
import { type EtcdServer, startEtcd } from "../../lab/etcd.ts";
import type { Millis } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { Logger } from "../../src/base/log.ts";
import { systemRandom } from "../../src/base/random.ts";
import type { EtcdOptions } from "../../src/cli/options.ts";
import { openEtcdLeaseStore, type StoreDeps } from "../../src/etcd/lease-store.ts";
import type { OpenLeaseStore } from "../../src/subnet/lease-store.ts";
import type { OperatorStore } from "../../src/subnet/operator-store.ts";
import type { StoreFixture } from "../contract/lease-store-fixture.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";

export interface EtcdFixture extends StoreFixture {
  readonly store: OperatorStore & OpenLeaseStore;
  readonly prefix: string;
  readonly server: EtcdServer;
  readonly admin: Etcd3;
  /** As another host would. */
  openStore(options?: Partial<EtcdOptions>): Promise<OperatorStore & OpenLeaseStore>;
}

let prefixes = 0;

export function openStore(
  options: Partial<EtcdOptions>,
  log: Logger = createCapturedLog(),
  readLogin: StoreDeps["readLogin"] = () => null,
): Promise<OperatorStore & OpenLeaseStore> {
  return openEtcdLeaseStore(
    {
      endpoints: ["http://127.0.0.1:2379"],
      prefix: "/coreos.com/network",
      tls: { caFile: null, certFile: null, keyFile: null },
      auth: null,
      ...options,
    },
    { clock: systemClock, random: systemRandom, log, readLogin },
  );
}

/** The store asks `endpoint`; the administrator always asks the server itself. */
export async function openEtcdFixture(server: EtcdServer, endpoint = server.endpoint): Promise<EtcdFixture> {
  const prefix = `/test/${prefixes++}`;
  const admin = new Etcd3({ hosts: server.endpoint });
  const open = (options: Partial<EtcdOptions> = {}) => openStore({ endpoints: [endpoint], prefix, ...options });
  const store = await open();
  const recordKey = (key: string) => Buffer.from(`${prefix}/subnets/${key}`);
  const find = async (key: string) => (await admin.kv.range({ key: recordKey(key) })).kvs[0];
  return {
    store,
    clock: systemClock,
    prefix,
    server,
    admin,
    openStore: open,
    writeConfig: async (text) => {
      const key = `${prefix}/config`;
      if (text === null) await admin.delete().key(key);
      else await admin.put(key).value(text);
    },
    write: async (records, ttl) => {
      const lease = ttl === undefined ? "0" : await grant(admin, ttl);
      const changes = Object.entries(records).map(([key, value]) =>
        value === null
          ? { request_delete_range: { key: recordKey(key) } }
          : { request_put: { key: recordKey(key), value: Buffer.from(value), lease } },
      );
      await admin.kv.txn({ success: changes });
    },
    read: async (key) => (await find(key))?.value.toString("utf8") ?? null,
    endLease: async (key) => void (await admin.leaseClient.leaseRevoke({ ID: (await find(key))?.lease ?? "0" })),
    leaseCount: async () => (await admin.leaseClient.leaseLeases()).leases.length,
    compact: async () => {
      const { header } = await admin.kv.range({ key: recordKey("") });
      await admin.kv.compact({ revision: header.revision, physical: true });
    },
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      admin.close();
    },
  };
}

export async function grant(admin: Etcd3, ttl: Millis): Promise<string> {
  return (await admin.leaseClient.leaseGrant({ TTL: Math.ceil(ttl / 1000) })).ID;
}

export function startTestEtcd(options: Parameters<typeof startEtcd>[0] = {}): Promise<EtcdServer> {
  return startEtcd(options, new AbortController().signal);
}
