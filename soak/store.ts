// The etcd that the soak ill-treats: everything that can be done to it, and what can be read from it.

import { readFileSync, rmSync } from "node:fs";
import { type EtcdServer, formatMembers, startEtcd } from "../lab/etcd.ts";
import { openEtcdCluster } from "../lab/etcd-cluster.ts";
import { attempt, type Output, run } from "../lab/run.ts";
import { inNamespace, type Machine } from "../lab/topology.ts";
import { waitFor } from "../lab/wait.ts";
import { seconds } from "../src/base/brand.ts";

export const ETCD_PREFIX = "/coreos.com/network";
export const CONFIG_KEY = `${ETCD_PREFIX}/config`;
export const RECORDS_PREFIX = `${ETCD_PREFIX}/subnets/`;

/** Small, so that it is soon used up. */
const QUOTA_BYTES = 16 << 20;
const STOP_LIMIT = seconds(20);

export interface StoredRecord {
  /** "10.5.7.0-24" */
  readonly key: string;
  readonly value: string;
  readonly modRevision: number;
  /** Of its etcd lease, as etcdctl writes it; null without one. */
  readonly leaseId: string | null;
}

export interface Store extends AsyncDisposable {
  readonly machine: Machine;
  readonly members: readonly EtcdServer[];
  readonly endpoints: readonly string[];
  /** All members at once: an end as a crash makes it, a start, SIGSTOP, SIGCONT. */
  stop(): Promise<void>;
  start(): Promise<void>;
  freeze(): void;
  thaw(): void;
  /** Runs etcdctl; throws when it fails. */
  ctl(args: readonly string[], signal: AbortSignal, input?: string): Promise<string>;
  /** The same where a failure is an answer. */
  tryCtl(args: readonly string[], signal: AbortSignal, input?: string): Promise<Output>;
  /** Ends all members in order. */
  stopInOrder(signal: AbortSignal): Promise<void>;
  /** Ends all members, takes their data away, and starts them again. */
  wipe(signal: AbortSignal): Promise<void>;
  saveTo(snapshot: string, signal: AbortSignal): Promise<void>;
  restoreFrom(snapshot: string, signal: AbortSignal): Promise<void>;
  /** Goes up whenever etcd has other data, whose revisions start anew. */
  era(): number;
  putConfig(config: string, signal: AbortSignal): Promise<void>;
  /** Null when there is none. */
  readConfig(signal: AbortSignal): Promise<string | null>;
  readRecords(signal: AbortSignal): Promise<readonly StoredRecord[]>;
  /** Under an etcd lease, as `StoredRecord` has it; null for none. */
  putRecord(key: string, value: string, leaseId: string | null, signal: AbortSignal): Promise<void>;
}

export async function openStore(machine: Machine, size: number, signal: AbortSignal): Promise<Store> {
  const { namespace, address, directory } = machine;
  const options = { namespace, address, directory, flags: [`--quota-backend-bytes=${QUOTA_BYTES}`] };
  const members =
    size === 1 ? [await startEtcd(options, signal)] : (await openEtcdCluster(size, options, signal)).members;
  const endpoints = members.map(({ endpoint }) => endpoint);
  let era = 0;
  const each = async (work: (member: EtcdServer) => Promise<void>) => void (await Promise.all(members.map(work)));
  const replaceData = async (prepare: (member: EtcdServer) => Promise<void>, signal: AbortSignal) => {
    await each((member) => member.stop());
    for (const { dataDirectory } of members) rmSync(dataDirectory, { recursive: true, force: true });
    await each(prepare);
    signal.throwIfAborted();
    era++;
    await each((member) => member.start());
  };
  return {
    ...createCalls(machine, endpoints),
    machine,
    members,
    endpoints,
    stop: () => each((member) => member.stop()),
    start: () => each((member) => member.start()),
    freeze: () => {
      for (const member of members) member.freeze();
    },
    thaw: () => {
      for (const member of members) member.thaw();
    },
    async stopInOrder(signal) {
      await endInOrder(machine, signal);
      await each((member) => member.stop());
    },
    wipe: (signal) => replaceData(async () => {}, signal),
    restoreFrom: (snapshot, signal) => replaceData((member) => restore(member, snapshot, signal), signal),
    era: () => era,
    [Symbol.asyncDispose]: () => each(async (member) => await member[Symbol.asyncDispose]()),
  };
}

type Calls = Pick<Store, "ctl" | "tryCtl" | "saveTo" | "putConfig" | "readConfig" | "readRecords" | "putRecord">;

function createCalls({ namespace }: Machine, endpoints: readonly string[]): Calls {
  // Longer than an election.
  const words = (args: readonly string[], to = endpoints.join(",")) =>
    inNamespace(namespace, ["etcdctl", `--endpoints=${to}`, "--command-timeout=20s", ...args]);
  const options = (input?: string) => ({ env: { ETCDCTL_API: "3" }, ...(input !== undefined && { input }) });
  const ctl: Store["ctl"] = async (args, signal, input) => (await run(words(args), options(input), signal)).stdout;
  return {
    ctl,
    tryCtl: (args, signal, input) => attempt(words(args), options(input), signal),
    saveTo: async (snapshot, signal) =>
      void (await run(words(["snapshot", "save", snapshot], endpoints[0]), options(), signal)),
    putConfig: async (config, signal) => void (await ctl(["put", CONFIG_KEY, config], signal)),
    readConfig: async (signal) => (await ctl(["get", CONFIG_KEY, "--print-value-only"], signal)).trimEnd() || null,
    readRecords: async (signal) => parseRecords(await ctl(["get", "--prefix", RECORDS_PREFIX, "-w", "json"], signal)),
    putRecord: async (key, value, leaseId, signal) => {
      const lease = leaseId === null ? [] : [`--lease=${leaseId}`];
      await ctl(["put", RECORDS_PREFIX + key, value, ...lease], signal);
    },
  };
}

/** Under the name and the address that the server has: it refuses another's data. */
async function restore({ dataDirectory, member }: EtcdServer, snapshot: string, signal: AbortSignal): Promise<void> {
  const place = [`--name=${member.name}`, `--initial-advertise-peer-urls=${member.peers[member.name]}`];
  const words = [`--data-dir=${dataDirectory}`, ...place, `--initial-cluster=${formatMembers(member.peers)}`];
  await run(["etcdctl", "snapshot", "restore", snapshot, ...words], { env: { ETCDCTL_API: "3" } }, signal);
}

/** The namespace has other processes, too: the watch of the records. */
async function endInOrder({ namespace }: Machine, signal: AbortSignal): Promise<void> {
  const pids = (await run(["ip", "netns", "pids", namespace], {}, signal)).stdout.split("\n").filter(isEtcd);
  for (const pid of pids) process.kill(Number(pid), "SIGTERM");
  await waitFor("the end of etcd", () => (pids.some(isEtcd) ? null : true), STOP_LIMIT, signal);
}

function isEtcd(pid: string): boolean {
  try {
    return pid !== "" && readFileSync(`/proc/${pid}/comm`, "utf8") === "etcd\n" && !isZombie(pid);
  } catch {
    return false;
  }
}

/** Until this process has heard of its end. */
function isZombie(pid: string): boolean {
  return /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}

interface JsonRecord {
  readonly key: string;
  readonly value?: string;
  readonly mod_revision: number;
  readonly lease: string | null;
}

/** What `etcdctl get -w json` prints. Ids of leases are larger than JavaScript's numbers: they are read as text. */
export function parseRecords(json: string): readonly StoredRecord[] {
  const { kvs = [] } = JSON.parse(quoteLeases(json)) as { readonly kvs?: readonly JsonRecord[] };
  return kvs.map(({ key, value = "", mod_revision, lease }) => ({
    key: decode(key).slice(RECORDS_PREFIX.length),
    value: decode(value),
    modRevision: mod_revision,
    leaseId: lease ? BigInt(lease).toString(16) : null,
  }));
}

function quoteLeases(json: string): string {
  return json.replace(/"lease":(\d+)/g, '"lease":"$1"');
}

export function decode(base64: string): string {
  return Buffer.from(base64, "base64").toString("utf8");
}
