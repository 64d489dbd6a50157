// Learns what this host is to be in which network, and leases its subnet. Nothing is changed in the kernel or in etcd before
// everything that can be refused has been looked at.

import type { HostView } from "./backends/backend.ts";
import { flannelDevices } from "./backends/earlier-routes.ts";
import { seconds } from "./base/brand.ts";
import { createComplaint } from "./base/complaint.ts";
import { FlannelError, isError, messageOf } from "./base/errors.ts";
import { isLinkLocalIpv6 } from "./base/ipv6.ts";
import { type EtcdPlace, placeOf } from "./base/paste.ts";
import { FLAGS } from "./cli/flags.ts";
import type { Options } from "./cli/options.ts";
import { type LearnedFirewall, learnFirewall } from "./host-firewall.ts";
import type { Means } from "./means.ts";
import { createMemory, type Memory } from "./memory.ts";
import { lookForInterface } from "./missing-interface.ts";
import { type LinkName, markOf } from "./net/objects.ts";
import { chooseUnderlay, interfaceAddresses, publicIpsOf, type Underlay } from "./net/underlay.ts";
import { withoutOwnSubnet } from "./net/underlay-change.ts";
import { learnNodeId } from "./node-id.ts";
import { type Overlay, readOverlay } from "./overlay.ts";
import { type Acquired, type AcquireRequest, acquireLease } from "./subnet/acquire-lease.ts";
import { awaitNetworkConfig, type FoundConfig } from "./subnet/await-config.ts";
import { type Identity, ownershipOf } from "./subnet/identity.ts";
import { describeSubnet, hasIpv4, LEASE_TTL, type NodeId, type Subnet } from "./subnet/lease.ts";
import type { LeaseList } from "./subnet/lease-store.ts";
import { EMPTY_TABLE, foldTable, type LeaseTable } from "./subnet/lease-table.ts";
import type { NetworkConfig } from "./subnet/network-config.ts";
import { describeNetwork, familiesOf } from "./subnet/network-families.ts";
import { type Remembered, unfitness } from "./subnet/remembered.ts";
import { parsePreviousSubnet, parsePreviousSubnet6 } from "./subnet/subnet-file.ts";
import type { SubnetParts } from "./subnet/subnet-space.ts";

export interface Learned {
  readonly overlay: Overlay;
  /** Full etcd key of the config. */
  readonly configKey: string;
  readonly underlay: Underlay;
  readonly self: Identity;
  readonly mark: string;
  readonly flannelDevices: readonly LinkName[];
  readonly firewall: LearnedFirewall;
  readonly memory: Memory;
  /** As it was when the config was read; null when it was not asked for then. */
  readonly list: LeaseList | null;
  /** etcd has not answered; the config is remembered. */
  readonly isAway: boolean;
  /** What the last run has left. */
  readonly last: Remembered | null;
  /** Its leases, if it has ended so recently that they were known then. */
  readonly lately: LeaseTable | null;
}

/** Looks at everything that can be refused; changes nothing but what this host remembers of itself. */
export async function learn(options: Options, means: Means, signal: AbortSignal): Promise<Learned> {
  const { board, log } = means;
  const { prefix } = options.etcd;
  const configKey = `${prefix}/config`;
  const memory = createMemory(prefix, means);
  const nodeId = await learnNodeId(means);
  const last = await memory.recall();
  const identify = async ({ network }: Pick<Overlay, "network">) => {
    const own = last?.acquired.lease.subnet ?? null;
    const underlay = await untilIpv6(network, means, signal, () => findUnderlay(network, options, own, means, signal));
    return { underlay, self: identityOf(nodeId, underlay) };
  };
  const recall = last
    ? createRecall(last, () => identify(readOverlay(last.config, configKey)), means)
    : async () => null;
  const found = await awaitConfig(configKey, recall, options, means, signal);
  const overlay = readOverlay(found.text, configKey);
  board.set("config", null);
  log.info("network config", { network: describeNetwork(overlay.network), backend: overlay.backend.type });

  const { underlay, self } = await identify(overlay);
  log.info("underlay interface", { dev: underlay.link, mtu: underlay.mtu, ...publicIpsOf(underlay) });
  const host = await findHost(overlay, underlay, markOf(prefix), means, signal);
  const firewall = await learnFirewall(overlay.network, options, means, signal);
  return {
    overlay,
    configKey,
    underlay,
    self,
    mark: host.mark,
    flannelDevices: await earlierDevices(host, means),
    firewall,
    memory,
    list: found.list,
    isAway: !found.fresh,
    last,
    lately: last && leasesOfLate(last, options, means),
  };
}

/** What a running daemon has is nobody's earlier config, even where its network overlaps ours. */
async function earlierDevices({ links }: HostView, { carriedDevices }: Means): Promise<readonly LinkName[]> {
  const devices = flannelDevices(links);
  const carried = await carriedDevices(devices);
  return devices.filter((name) => !carried.includes(name));
}

/** An interface that is missing is told meanwhile. */
async function awaitConfig(
  configKey: string,
  recall: () => Promise<string | null>,
  options: Options,
  means: Means,
  signal: AbortSignal,
): Promise<FoundConfig> {
  const missing = lookForInterface(options.underlay, means);
  const onWaiting = (reason: string) => means.board.set("config", reason);
  const deps = { ...means, recall, onWaiting, etcd: namedPlace(options.etcd), lookAhead: missing.look };
  const found = await awaitNetworkConfig(configKey, deps, signal);
  missing.end();
  return found;
}

const DEFAULT_ENDPOINTS = FLAGS.find(({ name }) => name === "etcd-endpoints")?.default;

/** Without the endpoints that nobody has named: etcdctl goes to this host by itself. */
function namedPlace(etcd: Options["etcd"]): EtcdPlace {
  const isNamed = etcd.endpoints.join(",") !== DEFAULT_ENDPOINTS;
  return { ...placeOf(etcd), endpoints: isNamed ? etcd.endpoints : [] };
}

/** Throws `backend.unsuitable`. */
async function findHost(
  { backend }: Overlay,
  underlay: Underlay,
  mark: string,
  { kernel }: Means,
  signal: AbortSignal,
): Promise<HostView> {
  const host: HostView = { underlay, links: await kernel.links(signal), mark };
  const reason = backend.unsuitable(host);
  if (reason !== null) throw new FlannelError("backend.unsuitable", { backend: backend.type, reason });
  return host;
}

function identityOf(nodeId: NodeId | null, { publicIp, v6 }: Underlay): Identity {
  return { nodeId, publicIp, publicIpv6: v6?.publicIp ?? null };
}

/**
 * Kernel: an IPv6 address is of use a second or two after its link is up, and a router's prefix may take longer, of which
 * network-online.target knows nothing. Until then the interface has what it has given itself.
 */
const IPV6_PATIENCE = seconds(10);

async function untilIpv6(
  { ipv6 }: Pick<NetworkConfig, "ipv6">,
  { clock }: Means,
  signal: AbortSignal,
  find: () => Promise<Underlay>,
): Promise<Underlay> {
  for (const end = clock.monotonic() + IPV6_PATIENCE; ; ) {
    try {
      const underlay = await find();
      const isLasting = underlay.v6 === null || !isLinkLocalIpv6(underlay.v6.address);
      if (isLasting || clock.monotonic() >= end) return underlay;
    } catch (error) {
      if (!isError(error, "interface.not-found") || ipv6 === null || clock.monotonic() >= end) throw error;
    }
    await clock.sleep(seconds(0.5), signal);
  }
}

/** `own` is this host's subnet, as far as it is known. Throws `interface.not-found`. */
export async function findUnderlay(
  network: Pick<NetworkConfig, "ipv4" | "ipv6">,
  options: Options,
  own: Subnet | null,
  { kernel }: Means,
  signal: AbortSignal,
): Promise<Underlay> {
  const { canReach } = options.underlay;
  const reach = canReach && (await kernel.lookup(canReach, signal));
  const families = familiesOf(network);
  const facts = withoutOwnSubnet(await kernel.underlayFacts(families, signal), partsOf(own));
  return chooseUnderlay(facts, { ...options.underlay, families }, reach);
}

function partsOf(own: Subnet | null): SubnetParts {
  return own === null ? { v4: null, v6: null } : { v4: hasIpv4(own) ? own.v4 : null, v6: own.v6 };
}

/** The config of the last run if this host can go on with what it remembers, else null, which is told once. */
function createRecall(
  last: Remembered,
  identify: () => Promise<{ readonly self: Identity }>,
  { clock, log }: Means,
): () => Promise<string | null> {
  const complaint = createComplaint(
    { raised: "etcd cannot be used, and what was remembered of the last run is of no use", settled: "" },
    { clock, log },
  );
  return async () => {
    try {
      const { self } = await identify();
      const reason = unfitness(last, self, clock.now());
      if (reason === null) {
        const { lease } = last.acquired;
        const expires = lease.term.kind === "until" ? { expires: new Date(lease.term.at).toISOString() } : {};
        log.warn("etcd cannot be used; going on with what was remembered", {
          subnet: describeSubnet(lease.subnet),
          ...expires,
        });
        return last.config;
      }
      complaint.raise(reason);
    } catch (error) {
      // At boot the interface may come after us.
      if (!isError(error, "interface.not-found")) throw error;
    }
    return null;
  };
}

/** While the config is the one that it was remembered with, and the lease has not ended. */
function isUsable(last: Remembered, { overlay, self }: Learned, { clock }: Means): boolean {
  return last.config === overlay.text && unfitness(last, self, clock.now()) === null;
}

function leasesOfLate({ writtenAt, acquired }: Remembered, options: Options, { clock }: Means): LeaseTable | null {
  const age = clock.now() - writtenAt;
  if (age < 0 || age > options.stalePeerGrace) return null;
  return foldTable(EMPTY_TABLE, { kind: "reset", list: acquired.list });
}

export async function acquire(
  learned: Learned,
  options: Options,
  means: Means,
  signal: AbortSignal,
): Promise<Acquired> {
  const { board, kernel, random } = means;
  const { overlay, underlay, self, mark, last, memory } = learned;
  const links = await kernel.links(signal);
  const { interfaces } = await kernel.underlayFacts(familiesOf(overlay.network), signal);
  const request: AcquireRequest = {
    network: overlay.network,
    self,
    addresses: new Set(interfaceAddresses(interfaces)),
    previous: await previousSubnet(overlay, last, options.subnetFile, means),
    advertise: (own) => overlay.backend.advertise({ underlay, links, mark, own, random }),
    ttl: LEASE_TTL,
    list: learned.list,
    isAway: learned.isAway,
    recall: () => (last && isUsable(last, learned, means) ? last.acquired : null),
  };
  const onList = ({ leases }: LeaseList) => {
    const record = leases.find(({ key }) => key === last?.acquired.lease.key);
    if (record && ownershipOf(record.attrs, self) !== "ours") void memory.forget();
  };
  const onWaiting = (reason: string) => board.set("lease", reason);
  const acquired = await acquireLease(request, { ...means, onWaiting, onList }, signal);
  board.set("lease", null);
  return acquired;
}

/**
 * Of the subnet file, which is gone after a reboot, or else of what is remembered. A file that cannot be read or
 * understood costs nothing: the store knows our subnet, too.
 */
async function previousSubnet(
  { network }: Overlay,
  last: Remembered | null,
  path: string,
  { log, readSubnetFile }: Means,
): Promise<SubnetParts> {
  const remembered = partsOf(last?.acquired.lease.subnet ?? null);
  const complain = (reason: string) => log.warn("the subnet file of the last run is of no use", { path, reason });
  try {
    const text = await readSubnetFile(path);
    if (text === null) return remembered;
    const previous4 = parsePreviousSubnet(text);
    const previous6 = parsePreviousSubnet6(text);
    if (previous4.kind === "none" && previous6.kind === "none") {
      complain(network.ipv4 ? previous4.reason : previous6.reason);
    }
    return {
      v4: previous4.kind === "found" ? previous4.subnet : remembered.v4,
      v6: previous6.kind === "found" ? previous6.subnet : remembered.v6,
    };
  } catch (error) {
    complain(messageOf(error));
    return remembered;
  }
}
