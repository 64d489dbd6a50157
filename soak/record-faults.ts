// What can happen to what flanneld keeps in etcd. None of it may cost a packet, whatever the backend, but for a record that
// says what peers must believe: another MAC.

import { waitFor } from "../lab/wait.ts";
import { millis, seconds } from "../src/base/brand.ts";
import { type Fault, nothing } from "./fault.ts";
import { onHost } from "./host-shell.ts";
import { CONFIG_KEY, RECORDS_PREFIX, type Store } from "./store.ts";
import type { SoakHost, World } from "./world.ts";

const FREE = { kind: "records", mayLose: () => null, recovery: seconds(60) } as const;
const AT_ONCE = [millis(0), millis(0)] as const;
const A_WHILE = [seconds(1), seconds(10)] as const;

export const RECORD_FAULTS: readonly Fault[] = [
  {
    ...FREE,
    name: "record-deleted",
    summary: "one host's record is deleted",
    lasts: AT_ONCE,
    async inject({ store }, { key }, signal) {
      await store.ctl(["del", RECORDS_PREFIX + key], signal);
      return nothing;
    },
  },
  {
    ...FREE,
    name: "records-deleted",
    summary: "all records are deleted",
    lasts: AT_ONCE,
    async inject({ store }, _, signal) {
      await store.ctl(["del", "--prefix", RECORDS_PREFIX], signal);
      return nothing;
    },
  },
  {
    ...FREE,
    name: "lease-revoked",
    summary: "the etcd lease of one host's record is revoked",
    lasts: AT_ONCE,
    async inject({ store }, victim, signal) {
      const leaseId = (await recordOf(victim, store, signal)).leaseId;
      if (leaseId !== null) await store.ctl(["lease", "revoke", leaseId], signal);
      return nothing;
    },
  },
  {
    ...FREE,
    name: "leases-revoked",
    summary: "all etcd leases are revoked",
    lasts: AT_ONCE,
    async inject({ store }, _, signal) {
      const ids = (await store.ctl(["lease", "list"], signal)).match(/^[0-9a-f]{8,}$/gm) ?? [];
      for (const id of ids) await store.ctl(["lease", "revoke", id], signal);
      return nothing;
    },
  },
  {
    ...FREE,
    name: "record-garbage",
    summary: "one host's record is overwritten with what is no JSON; deleted later unless its host has written it anew",
    lasts: A_WHILE,
    inject: ({ store }, victim, signal) => spoil(victim, GARBAGE, store, signal),
  },
  {
    ...FREE,
    name: "record-emptied",
    summary: "one host's record is overwritten with {}; deleted later unless its host has written it anew",
    lasts: A_WHILE,
    inject: ({ store }, victim, signal) => spoil(victim, "{}", store, signal),
  },
  {
    ...FREE,
    name: "record-crippled",
    summary: "what the backend needs is taken out of one host's record; deleted later",
    lasts: A_WHILE,
    async inject({ store }, victim, signal) {
      const { BackendData: _, ...rest } = JSON.parse((await recordOf(victim, store, signal)).value);
      return await spoil(victim, JSON.stringify(rest), store, signal);
    },
  },
  {
    ...FREE,
    name: "foreign-garbage",
    summary: "records are put that are none: no subnet in the key, no JSON in the value; deleted later",
    lasts: A_WHILE,
    inject: ({ store }, _, signal) => putForAWhile(store, { foo: "bar", "10.5.250.0-24": GARBAGE }, signal),
  },
  {
    ...FREE,
    name: "foreign-overlap",
    summary: "a record of another host is put for a part of one host's subnet; deleted later",
    lasts: A_WHILE,
    async inject({ store }, victim, signal) {
      const { value } = await recordOf(victim, store, signal);
      const part = victim.key.replace(/\.0-24$/, ".128-25");
      return await putForAWhile(store, { [part]: recordOfStranger(value) }, signal);
    },
  },
  {
    ...FREE,
    name: "record-mac",
    summary: "one host's record gets another MAC, which its host takes back",
    lasts: AT_ONCE,
    backends: ["vxlan"],
    mayLose: () => seconds(1),
    mendedMeanwhile: true,
    async inject({ store }, victim, signal) {
      const { value, leaseId } = await recordOf(victim, store, signal);
      await store.putRecord(victim.key, withMac(value, "02:00:00:00:07:01"), leaseId, signal);
      return nothing;
    },
  },
  {
    ...FREE,
    name: "peer-reinstalled",
    summary: "a fourth host joins, is installed anew (same address, another MAC), and leaves; the others follow",
    lasts: AT_ONCE,
    backends: ["vxlan"],
    inject: reinstallPeer,
  },
  {
    ...FREE,
    name: "config-deleted",
    summary: "the network config is deleted, and put again",
    lasts: A_WHILE,
    async inject({ store, config }, _, signal) {
      await store.ctl(["del", CONFIG_KEY], signal);
      return (signal) => store.putConfig(config, signal);
    },
  },
  {
    ...FREE,
    name: "config-invalid",
    summary: "the network config is none, and is put right again",
    lasts: A_WHILE,
    inject: (world, _, signal) => configure(world, '{"Network": ', signal),
  },
  {
    ...FREE,
    name: "config-changed",
    summary: "the network config has another network, which needs a restart; it is put right again",
    lasts: A_WHILE,
    inject: (world, _, signal) => configure(world, world.config.replace("10.5.", "10.99."), signal),
  },
];

const GARBAGE = '{"PublicIP": "not an address"';

async function recordOf({ key, machine }: SoakHost, store: Store, signal: AbortSignal) {
  const record = (await store.readRecords(signal)).find((record) => record.key === key);
  if (!record) throw new Error(`${machine.name} has no record although all was well`);
  return record;
}

/** What is put so does not expire, like a reservation. A record that its host has written anew is left alone. */
async function spoil({ key }: SoakHost, value: string, store: Store, signal: AbortSignal) {
  await store.ctl(["put", RECORDS_PREFIX + key, value], signal);
  return async (signal: AbortSignal) => {
    const record = (await store.readRecords(signal)).find((record) => record.key === key);
    if (record?.leaseId === null) await store.ctl(["del", RECORDS_PREFIX + key], signal);
  };
}

/** A host that is not there, with everything else as in the record. */
function recordOfStranger(value: string): string {
  const { NodeID: _, ...record } = JSON.parse(value) as Record<string, unknown>;
  return JSON.stringify({ ...record, PublicIP: "192.168.77.99" });
}

/** Of vxlan. */
export function withMac(value: string, mac: string): string {
  const record = JSON.parse(value) as { readonly BackendData: object };
  return JSON.stringify({ ...record, BackendData: { ...record.BackendData, VtepMAC: mac } });
}

const FOURTH = { key: "10.5.250.0-24", first: "02:00:00:00:07:02", second: "02:00:00:00:07:03" };
const FOLLOW_LIMIT = seconds(10);

/** Only its record is there. */
async function reinstallPeer(world: World, victim: SoakHost, signal: AbortSignal) {
  const { store, hosts } = world;
  const value = recordOfStranger((await recordOf(victim, store, signal)).value);
  const isFollowed = async (mac: string) => {
    const tables = hosts.map((host) => onHost(world, host, "bridge fdb show dev $DEV", signal));
    const lists = (await Promise.all(tables)).map((text) => text.match(/02:00:00:00:07:\d\d/g)?.join());
    return lists.every((list) => list === mac) || null;
  };
  for (const mac of [FOURTH.first, FOURTH.second]) {
    await store.putRecord(FOURTH.key, withMac(value, mac), null, signal);
    await waitFor(`${mac} as the only MAC of the fourth host`, () => isFollowed(mac), FOLLOW_LIMIT, signal);
  }
  return async (signal: AbortSignal) => void (await store.ctl(["del", RECORDS_PREFIX + FOURTH.key], signal));
}

async function putForAWhile(store: Store, records: Readonly<Record<string, string>>, signal: AbortSignal) {
  for (const [key, value] of Object.entries(records)) await store.ctl(["put", RECORDS_PREFIX + key, value], signal);
  return async (signal: AbortSignal) => {
    for (const key of Object.keys(records)) await store.ctl(["del", RECORDS_PREFIX + key], signal);
  };
}

async function configure({ store, config }: World, other: string, signal: AbortSignal) {
  await store.putConfig(other, signal);
  return (signal: AbortSignal) => store.putConfig(config, signal);
}
