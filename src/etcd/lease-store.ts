// The lease store on etcd v3: the same keys and values as the Go daemon's. Reading is here; what is written is in
// lease-writes.ts, what is followed in watch.ts, and what only operators do in operator-store.ts.

import type { IKeyValue, IRangeRequest, IResponseHeader } from "etcd3";
import type { Logger } from "../base/log.ts";
import type { EtcdOptions } from "../cli/options.ts";
import type { Lease, Revision, SubnetKey } from "../subnet/lease.ts";
import type { LeaseCensus, LeaseList, LeaseStore, OpenLeaseStore } from "../subnet/lease-store.ts";
import type { OperatorStore } from "../subnet/operator-store.ts";
import type { FailoverDeps } from "./failover.ts";
import { createKeyspace, type Keyspace, readLease, readRecord } from "./keyspace.ts";
import {
  claimLease,
  rekeyLease,
  removeLease,
  renewLease,
  replaceBadRecord,
  until,
  type WriteDeps,
} from "./lease-writes.ts";
import { operatorCalls } from "./operator-store.ts";
import { readTlsMaterial } from "./tls.ts";
import { startTlsUpkeep } from "./tls-upkeep.ts";
import type { Login, LoginSettings } from "./tokens.ts";
import { openTransport } from "./transport.ts";
import { readV2Value } from "./v2-config.ts";
import { watchLeases } from "./watch.ts";
import { configOf, type ReadConfig, readConfig, watchConfig } from "./watch-config.ts";
import { type ListedStore, positionAt } from "./watch-position.ts";

export interface StoreDeps extends FailoverDeps {
  readonly log: Logger;
  /** User name and password where the operator keeps them; without it those of the options stand. */
  readonly readLogin?: () => Login | null;
}

function followLogin(read: () => Login | null, { log }: StoreDeps): LoginSettings {
  return {
    read,
    onTaken: () =>
      log.info("the user and password for etcd are others in the service's settings, and are used from now on"),
  };
}

/** The first call of a start, and those that repeat it: whoever hears twice why it fails is told once. */
const READING_CONFIG = "reading the network config";

/** Connects at the first call. Throws `file.unreadable` for certificate files that are of no use. */
export async function openEtcdLeaseStore(
  options: EtcdOptions,
  deps: StoreDeps,
): Promise<OperatorStore & OpenLeaseStore> {
  // Compat: without TLS in the endpoints, certificate files are not looked at.
  const isSecure = options.endpoints.some((endpoint) => endpoint.startsWith("https://"));
  const tls = isSecure ? await readTlsMaterial(options.tls) : null;
  const transport = await openTransport(options, tls, deps, deps.readLogin && followLogin(deps.readLogin, deps));
  const keyspace = createKeyspace(options.prefix);
  const means = { ...deps, transport, keyspace };
  const prove = async (signal: AbortSignal) => {
    await transport.range("trying the new TLS files", { key: keyspace.subnets, count_only: true }, signal);
  };
  const upkeep = tls && startTlsUpkeep(options, tls, { ...deps, transport, prove });
  return {
    ...createReadings(means),
    v2NetworkConfig: (signal) => {
      const v2 = { clock: deps.clock, tls: upkeep?.material() ?? null };
      return readV2Value(keyspace.config.toString("utf8"), options, v2, signal);
    },
    census: (since, signal) => takeCensus(since, means, signal),
    get: (key, signal) => getLease(key, means, signal),
    claim: (subnet, attrs, ttl, signal) => claimLease(subnet, attrs, ttl, means, signal),
    replaceBad: (subnet, attrs, ttl, signal) => replaceBadRecord(subnet, attrs, ttl, means, signal),
    renew: (lease, attrs, ttl, signal) => renewLease(lease, attrs, ttl, means, signal),
    rekey: (lease, subnet, attrs, ttl, signal) => rekeyLease(lease, subnet, attrs, ttl, means, signal),
    remove: (lease, signal) => removeLease(lease, means, signal),
    ...operatorCalls(means),
    reload: () => {
      if (upkeep) upkeep.reload();
      else deps.log.info("there are no files for etcd to read again: it is used without TLS");
    },
    reconnect: transport.reconnect,
    health: () => ({
      trouble: transport.trouble(),
      certificates: upkeep?.certificates() ?? [],
      refusedFiles: upkeep?.refused() ?? null,
    }),
    callCounts: transport.calls,
    [Symbol.asyncDispose]: async () => {
      await upkeep?.[Symbol.asyncDispose]();
      transport[Symbol.dispose]();
    },
  };
}

/** What is read as a whole, and followed from there: a watch begins where the newest reading was. */
function createReadings(
  means: WriteDeps & StoreDeps,
): Pick<LeaseStore, "survey" | "networkConfig" | "watchNetworkConfig" | "list" | "watch"> {
  const { transport, keyspace } = means;
  const key = keyspace.config;
  let listed: ListedStore | null = null;
  let config: ReadConfig | null = null;
  const list = async (signal: AbortSignal) => {
    listed = await listLeases(means, signal);
    return listed;
  };
  return {
    async survey(signal) {
      const both = await survey(means, signal);
      ({ listed, config } = both);
      return { config: both.config.text, list: both.listed.list };
    },
    async networkConfig(signal) {
      config = await readConfig({ transport, key }, signal, READING_CONFIG);
      return config.text;
    },
    watchNetworkConfig: (signal) => watchConfig(config, { ...means, key }, signal),
    list: async (signal) => (await list(signal)).list,
    watch: (from, signal) => watchLeases(positionAt(from, listed, keyspace), { ...means, list }, signal),
  };
}

async function survey(
  { transport, keyspace }: WriteDeps,
  signal: AbortSignal,
): Promise<{ readonly listed: ListedStore; readonly config: ReadConfig }> {
  const ranges = [{ key: keyspace.config }, allRecords(keyspace)];
  const { header, responses } = await transport.ranges(READING_CONFIG, ranges, signal);
  const [config = [], leases = []] = responses.map(({ response_range }) => response_range.kvs);
  return { listed: listOf(header, leases, keyspace), config: configOf(header, config) };
}

function allRecords({ subnets, subnetsEnd }: Keyspace): IRangeRequest {
  return { key: subnets, range_end: subnetsEnd };
}

async function listLeases({ transport, keyspace }: WriteDeps, signal: AbortSignal): Promise<ListedStore> {
  const { header, kvs } = await transport.range("listing the leases", allRecords(keyspace), signal);
  return listOf(header, kvs, keyspace);
}

function listOf(header: IResponseHeader, kvs: readonly IKeyValue[], keyspace: Keyspace): ListedStore {
  const records = kvs.map((kv) => readRecord(keyspace, kv));
  const list: LeaseList = {
    revision: header.revision as Revision,
    leases: records.flatMap((record) => (record.kind === "lease" ? record.lease : [])),
    bad: records.flatMap((record) => (record.kind === "bad" ? record.record : [])),
  };
  return { list, cluster: header.cluster_id, term: BigInt(header.raft_term) };
}

/** etcd: the count is of the whole range, also when the records themselves are filtered by revision. */
async function takeCensus(
  since: Revision,
  { transport, keyspace }: WriteDeps,
  signal: AbortSignal,
): Promise<LeaseCensus> {
  const newest = { ...allRecords(keyspace), keys_only: true, min_mod_revision: (BigInt(since) + 1n).toString() };
  const { header, kvs, count } = await transport.range("counting the leases", newest, signal);
  const newer = kvs.map((kv) => ({
    key: keyspace.relativeKey(kv.key) as SubnetKey,
    modRevision: kv.mod_revision as Revision,
  }));
  return { revision: header.revision as Revision, count: Number(count), newer };
}

/** etcd: a lease that expired a moment ago has -1 seconds left, and its record may still be there. */
async function getLease(
  key: SubnetKey,
  { transport, keyspace, clock }: WriteDeps,
  signal: AbortSignal,
): Promise<Lease | null> {
  const op = "reading the lease";
  const { kvs } = await transport.range(op, { key: keyspace.recordKey(key) }, signal);
  const lease = readLease(keyspace, kvs);
  if (!lease || lease.term.kind === "reserved") return lease;
  const asked = clock.now();
  const seconds = await transport.timeToLive(op, lease.version.leaseId, signal);
  return { ...lease, term: until(asked, Math.max(0, seconds)) };
}
