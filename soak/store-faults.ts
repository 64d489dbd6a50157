// What can happen to etcd as a whole, and to the way there. None of it may cost a packet, whatever the backend.

import type { EtcdServer } from "../lab/etcd.ts";
import { run } from "../lab/run.ts";
import { inNamespace } from "../lab/topology.ts";
import { millis, seconds } from "../src/base/brand.ts";
import { systemClock } from "../src/base/clock.ts";
import { childSignal } from "../src/base/signals.ts";
import { type Fault, nothing } from "./fault.ts";
import { ETCD_PREFIX, type Store } from "./store.ts";
import type { SoakHost, World } from "./world.ts";

/** The daemons notice within a minute, and are back within a second of that. */
const RECOVERY = seconds(60);
const FREE = { kind: "etcd", mayLose: () => null, recovery: RECOVERY } as const;
const AT_ONCE = [millis(0), millis(0)] as const;

/** Which of several members is hit goes by the host that would be. */
function memberOf({ hosts, store }: World, victim: SoakHost): EtcdServer {
  return store.members[hosts.indexOf(victim) % store.members.length] as EtcdServer;
}

export const STORE_FAULTS: readonly Fault[] = [
  {
    ...FREE,
    name: "etcd-stopped",
    summary: "etcd is stopped in order, and started again",
    lasts: [seconds(1), seconds(15)],
    async inject({ store }, _, signal) {
      await store.stopInOrder(signal);
      return () => store.start();
    },
  },
  {
    ...FREE,
    name: "etcd-killed",
    summary: "etcd is killed, and started again",
    lasts: [seconds(1), seconds(15)],
    async inject({ store }) {
      await store.stop();
      return () => store.start();
    },
  },
  {
    ...FREE,
    name: "etcd-restarted",
    summary: "etcd is stopped in order and started at once",
    lasts: AT_ONCE,
    async inject({ store }, _, signal) {
      await store.stopInOrder(signal);
      await store.start();
      return nothing;
    },
  },
  {
    ...FREE,
    name: "etcd-frozen",
    summary: "etcd does not get on (SIGSTOP): connections stay open, nobody answers",
    lasts: [seconds(2), seconds(20)],
    async inject({ store }) {
      store.freeze();
      return async () => store.thaw();
    },
  },
  {
    ...FREE,
    name: "etcd-slow",
    summary: "etcd runs 50 of every 300 ms",
    lasts: [seconds(5), seconds(15)],
    inject: async ({ store }, _, signal) => slowDown(store, signal),
  },
  {
    ...FREE,
    name: "etcd-cut-off-for-one",
    summary: "one host's firewall drops what goes to and comes from etcd",
    lasts: [seconds(2), seconds(30)],
    inject: (world, victim, signal) => cutOff([victim], world.store, signal),
  },
  {
    ...FREE,
    name: "etcd-cut-off-for-all",
    summary: "the firewall of each host drops what goes to and comes from etcd",
    lasts: [seconds(2), seconds(30)],
    inject: (world, _, signal) => cutOff(world.hosts, world.store, signal),
  },
  {
    ...FREE,
    name: "etcd-compacted",
    summary: "the history is compacted up to the present",
    lasts: AT_ONCE,
    async inject({ store }, _, signal) {
      await compact(store, signal);
      return nothing;
    },
  },
  {
    ...FREE,
    name: "etcd-wiped",
    summary: "etcd starts with empty data, and the network config is put at once",
    lasts: AT_ONCE,
    async inject({ store, config }, _, signal) {
      await store.wipe(signal);
      await store.putConfig(config, signal);
      return nothing;
    },
  },
  {
    ...FREE,
    name: "etcd-wiped-bare",
    summary: "etcd starts with empty data, and the network config is put later",
    lasts: [seconds(2), seconds(15)],
    async inject({ store, config }, _, signal) {
      await store.wipe(signal);
      return (signal) => store.putConfig(config, signal);
    },
  },
  {
    ...FREE,
    name: "etcd-restored",
    summary: "etcd is restored from the snapshot of the beginning",
    lasts: AT_ONCE,
    async inject({ store, snapshot }, _, signal) {
      await store.restoreFrom(snapshot, signal);
      return nothing;
    },
  },
  {
    ...FREE,
    name: "etcd-full",
    summary: "etcd's quota is used up (alarm NOSPACE); then it is cleared and disarmed",
    lasts: [seconds(2), seconds(15)],
    async inject({ store }, _, signal) {
      await fill(store, signal);
      return (signal) => empty(store, signal);
    },
  },
  {
    ...FREE,
    name: "member-killed",
    summary: "one member of several is killed, perhaps the leader, and started again",
    lasts: [seconds(1), seconds(15)],
    fewestMembers: 3,
    async inject(world, victim) {
      const member = memberOf(world, victim);
      await member.stop();
      return () => member.start();
    },
  },
  {
    ...FREE,
    name: "member-frozen",
    summary: "one member of several does not get on (SIGSTOP), perhaps the leader",
    lasts: [seconds(2), seconds(20)],
    fewestMembers: 3,
    async inject(world, victim) {
      const member = memberOf(world, victim);
      member.freeze();
      return async () => member.thaw();
    },
  },
  {
    ...FREE,
    name: "members-restarted",
    summary: "all members of several are killed and started, one after the other",
    lasts: AT_ONCE,
    fewestMembers: 3,
    async inject({ store }) {
      for (const member of store.members) {
        await member.stop();
        await member.start();
      }
      return nothing;
    },
  },
];

const SLOW = { runs: millis(50), stands: millis(250) } as const;

/** Kernel: SIGSTOP and SIGCONT in turns; a netem queue would need a module that not every machine has. */
function slowDown(store: Store, signal: AbortSignal) {
  const scope = childSignal(signal);
  const alternate = async () => {
    while (!scope.signal.aborted) {
      store.freeze();
      await systemClock.sleep(SLOW.stands, scope.signal);
      store.thaw();
      await systemClock.sleep(SLOW.runs, scope.signal);
    }
  };
  const ended = alternate().catch(() => {});
  return async () => {
    scope.abort();
    await ended;
    scope[Symbol.dispose]();
    store.thaw();
  };
}

const TABLE = "inet flanneld_soak";

async function cutOff(hosts: readonly SoakHost[], { machine }: Store, signal: AbortSignal) {
  const rules = [
    `add table ${TABLE}`,
    `add chain ${TABLE} input { type filter hook input priority 0; }`,
    `add chain ${TABLE} output { type filter hook output priority 0; }`,
    `add rule ${TABLE} input ip saddr ${machine.address} drop`,
    `add rule ${TABLE} output ip daddr ${machine.address} drop`,
  ];
  const nft = async (host: SoakHost, lines: readonly string[], signal: AbortSignal) =>
    void (await run(
      inNamespace(host.machine.namespace, ["nft", "-f", "-"]),
      { input: `${lines.join("\n")}\n` },
      signal,
    ));
  for (const host of hosts) await nft(host, rules, signal);
  return async (signal: AbortSignal) => {
    for (const host of hosts) await nft(host, [`delete table ${TABLE}`], signal);
  };
}

async function compact(store: Store, signal: AbortSignal): Promise<void> {
  const present = await store.ctl(["get", ETCD_PREFIX, "-w", "json"], signal);
  const { header } = JSON.parse(present) as { readonly header: { readonly revision: number } };
  const compaction = ["compact", "--physical", String(header.revision)];
  const { status, stderr } = await store.tryCtl(compaction, signal);
  // Nothing was written since the last one.
  if (status === 0 || /required revision has been compacted/.test(stderr)) return;
  throw new Error(`etcd cannot be compacted: ${stderr}`);
}

const FILL_PREFIX = "/soak/fill/";
/** Below etcd's limit of 1.5 MiB for a request. */
const FILL = "x".repeat(1 << 20);

async function fill(store: Store, signal: AbortSignal): Promise<void> {
  for (let number = 0; number < 100; number++) {
    const { status, stderr } = await store.tryCtl(["put", `${FILL_PREFIX}${number}`], signal, FILL);
    if (/database space exceeded/.test(stderr)) return;
    if (status !== 0) throw new Error(`etcd cannot be filled: ${stderr}`);
  }
  throw new Error("etcd does not get full");
}

async function empty(store: Store, signal: AbortSignal): Promise<void> {
  await store.ctl(["del", "--prefix", FILL_PREFIX], signal);
  await compact(store, signal);
  await store.ctl(["defrag"], signal);
  await store.ctl(["alarm", "disarm"], signal);
}
