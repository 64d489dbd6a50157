// Learns what this host is to be in which network, and leases its subnet. Nothing is changed in the kernel or in etcd before
// everything that can be refused has been looked at.

import type { HostView } from "./backends/backend.ts";
import { flannelDevices } from "./backends/earlier-routes.ts";
import { createComplaint } from "./base/complaint.ts";
import { FlannelError, isError, messageOf } from "./base/errors.ts";
import type { Prefix4 } from "./base/ip.ts";
import type { Options } from "./cli/options.ts";
import { type LearnedFirewall, learnFirewall } from "./host-firewall.ts";
import type { Means } from "./means.ts";
import { createMemory, type Memory } from "./memory.ts";
import { type LinkName, MARK } from "./net/objects.ts";
import { chooseUnderlay, type Underlay } from "./net/underlay.ts";
import { learnNodeId } from "./node-id.ts";
import { type Overlay, readOverlay } from "./overlay.ts";
import { type Acquired, type AcquireRequest, acquireLease } from "./subnet/acquire-lease.ts";
import { awaitNetworkConfig } from "./subnet/await-config.ts";
import type { Identity } from "./subnet/identity.ts";
import { LEASE_TTL } from "./subnet/lease.ts";
import { type Remembered, unfitness } from "./subnet/remembered.ts";
import { parsePreviousSubnet } from "./subnet/subnet-file.ts";

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
  /** What the last run has left, if this host can go on with it. */
  readonly remembered: Acquired | null;
  /** The subnet of the last run, whatever has changed since. */
  readonly rememberedSubnet: Prefix4 | null;
}

/** Kernel: IFALIASZ, less the zero at its end. */
const LONGEST_MARK = 255;

/** Of a very long prefix its end, which tells it from others. */
function markOf(prefix: string): string {
  return MARK + prefix.slice(-(LONGEST_MARK - MARK.length));
}

/** Looks at everything that can be refused; changes nothing but what this host remembers of itself. */
export async function learn(options: Options, means: Means, signal: AbortSignal): Promise<Learned> {
  const { board, kernel, log } = means;
  const { prefix } = options.etcd;
  const configKey = `${prefix}/config`;
  const memory = createMemory(prefix, means);
  const nodeId = await learnNodeId(means);
  const identify = async (): Promise<{ readonly underlay: Underlay; readonly self: Identity }> => {
    const underlay = await findUnderlay(options, means, signal);
    return { underlay, self: { nodeId, publicIp: underlay.publicIp } };
  };
  const last = await memory.recall();
  const recall = last ? createRecall(last, identify, means) : async () => null;
  const found = await awaitNetworkConfig(
    configKey,
    { ...means, recall, onWaiting: (reason) => board.set("config", reason) },
    signal,
  );
  const overlay = readOverlay(found.text, configKey);
  board.set("config", null);
  log.info("network config", { network: overlay.ipv4.network, backend: overlay.backend.type });

  const { underlay, self } = await identify();
  log.info("underlay interface", { dev: underlay.link, mtu: underlay.mtu, publicIp: underlay.publicIp });
  const links = await kernel.links(signal);
  const host: HostView = { underlay, links, mark: markOf(prefix) };
  const reason = overlay.backend.unsuitable(host);
  if (reason !== null) throw new FlannelError("backend.unsuitable", { backend: overlay.backend.type, reason });
  const firewall = await learnFirewall(overlay.network, options, means, signal);
  const isFit = last !== null && last.config === found.text && unfitness(last, self, means.clock.now()) === null;
  return {
    overlay,
    configKey,
    underlay,
    self,
    mark: host.mark,
    flannelDevices: flannelDevices(links),
    firewall,
    memory,
    remembered: isFit ? last.acquired : null,
    rememberedSubnet: last?.acquired.lease.subnet.v4 ?? null,
  };
}

async function findUnderlay(options: Options, { kernel }: Means, signal: AbortSignal): Promise<Underlay> {
  const { canReach } = options.underlay;
  const reach = canReach && (await kernel.lookup(canReach, signal));
  return chooseUnderlay(await kernel.underlayFacts(signal), options.underlay, reach);
}

/** The config of the last run if this host can go on with what it remembers, else null, which is told once. */
function createRecall(
  last: Remembered,
  identify: () => Promise<{ readonly self: Identity }>,
  { clock, log }: Means,
): () => Promise<string | null> {
  const complaint = createComplaint(
    { raised: "etcd does not answer, and what was remembered of the last run is of no use", settled: "" },
    { clock, log },
  );
  return async () => {
    try {
      const { self } = await identify();
      const reason = unfitness(last, self, clock.now());
      if (reason === null) {
        log.warn("etcd does not answer; going on with what was remembered of the last run");
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

export async function acquire(
  learned: Learned,
  options: Options,
  means: Means,
  signal: AbortSignal,
): Promise<Acquired> {
  const { board, kernel, random } = means;
  const { overlay, underlay, self, mark, remembered, rememberedSubnet } = learned;
  const links = await kernel.links(signal);
  const request: AcquireRequest = {
    network: overlay.ipv4,
    self,
    // The file is gone after a reboot.
    previous: (await previousSubnet(options.subnetFile, means)) ?? rememberedSubnet,
    advertise: (own) => overlay.backend.advertise({ underlay, links, mark, own, random }),
    ttl: LEASE_TTL,
    remembered,
  };
  const onWaiting = (reason: string) => board.set("lease", reason);
  const acquired = await acquireLease(request, { ...means, onWaiting }, signal);
  board.set("lease", null);
  return acquired;
}

/** A file that cannot be read or understood costs nothing: the store knows our subnet, too. */
async function previousSubnet(path: string, { log, readSubnetFile }: Means): Promise<Prefix4 | null> {
  try {
    const text = await readSubnetFile(path);
    if (text === null) return null;
    const previous = parsePreviousSubnet(text);
    if (previous.kind === "found") return previous.subnet;
    log.warn("the subnet file of the last run is of no use", { path, reason: previous.reason });
  } catch (error) {
    log.warn("the subnet file of the last run is of no use", { path, reason: messageOf(error) });
  }
  return null;
}
