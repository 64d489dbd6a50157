// The composition root: learn what the network is, lease a subnet, then hold all of it together until stopped.
// Nothing is changed in the kernel or in etcd before everything that can be refused has been looked at.

import type { Backend, HostView, NetworkView } from "./backends/backend.ts";
import { flannelDevices } from "./backends/earlier-routes.ts";
import { createBackend } from "./backends/registry.ts";
import { minutes } from "./base/brand.ts";
import { FlannelError, isError, messageOf } from "./base/errors.ts";
import type { Prefix4 } from "./base/ip.ts";
import { runTasks, type Task } from "./base/tasks.ts";
import type { Options } from "./cli/options.ts";
import { type DataPlane, openDataPlane } from "./data-plane.ts";
import type { KernelNet } from "./net/kernel-net.ts";
import { type LinkName, MARK } from "./net/objects.ts";
import { createReconciler } from "./net/reconciler.ts";
import { chooseUnderlay, type Underlay } from "./net/underlay.ts";
import { createPlanner } from "./planner.ts";
import type { Ports } from "./ports.ts";
import { createPublisher } from "./publisher.ts";
import { createStatusBoard, type StatusBoard } from "./status-board.ts";
import { type Acquired, type AcquireRequest, acquireLease } from "./subnet/acquire-lease.ts";
import { awaitNetworkConfig } from "./subnet/await-config.ts";
import { createLeaseFollower } from "./subnet/follow-leases.ts";
import { createLeaseHolder } from "./subnet/hold-lease.ts";
import type { LeaseStore } from "./subnet/lease-store.ts";
import type { Ipv4Network, NetworkConfig } from "./subnet/network-config.ts";
import { parsePreviousSubnet } from "./subnet/subnet-file.ts";

/** Compat: the Go daemon's lease time. Its readers expect it. */
const LEASE_TTL = minutes(24 * 60);

/** How often the records are counted although the watch works; each daemon draws its own time from half of it on. */
const RECOUNT_INTERVAL = minutes(10);

/** Runs until the signal aborts. Throws what a person or the supervisor must act on. */
export async function runDaemon(options: Options, ports: Ports, signal: AbortSignal): Promise<void> {
  const board = createStatusBoard(ports.notify);
  const health = options.healthz && (await ports.openHealth(options.healthz, () => board.readiness()));
  await using _health = health;
  if (!(await ports.hasCapability("CAP_NET_ADMIN"))) {
    throw new FlannelError("privilege.missing", { capability: "CAP_NET_ADMIN" });
  }
  await using store = await ports.openStore(options.etcd);
  using kernel = ports.openKernel();
  const learned = await learn(options, { ...ports, store, kernel, board }, signal);
  const { userspace } = learned.backend;
  using plane = userspace && openDataPlane(userspace, learned.underlay, ports);
  const acquired = await acquire(learned, options, { ...ports, store, kernel, board }, signal);
  await hold(learned, acquired, plane, options, { ...ports, store, kernel, board }, signal);
}

interface Means extends Ports {
  readonly store: LeaseStore;
  readonly kernel: KernelNet;
  readonly board: StatusBoard;
}

interface Learned {
  readonly network: NetworkConfig;
  readonly ipv4: Ipv4Network;
  readonly backend: Backend;
  readonly underlay: Underlay;
  readonly mark: string;
  readonly flannelDevices: readonly LinkName[];
}

/** Kernel: IFALIASZ, less the zero at its end. */
const LONGEST_MARK = 255;

/** Of a very long prefix its end, which tells it from others. */
function markOf(prefix: string): string {
  return MARK + prefix.slice(-(LONGEST_MARK - MARK.length));
}

/** Looks at everything that can be refused; changes nothing. */
async function learn(options: Options, means: Means, signal: AbortSignal): Promise<Learned> {
  const { board, kernel, log } = means;
  const key = `${options.etcd.prefix}/config`;
  const onWaiting = (reason: string) => board.set("config", reason);
  const network = await awaitNetworkConfig(key, { ...means, onWaiting }, signal);
  board.set("config", null);
  const ipv4 = requireIpv4(network, key);
  const backend = backendOf(network, key);
  log.info("network config", { network: ipv4.network, backend: backend.type });

  const { canReach } = options.underlay;
  const reach = canReach && (await kernel.lookup(canReach, signal));
  const underlay = chooseUnderlay(await kernel.underlayFacts(signal), options.underlay, reach);
  log.info("underlay interface", { dev: underlay.link, mtu: underlay.mtu, publicIp: underlay.publicIp });
  const links = await kernel.links(signal);
  const host: HostView = { underlay, links, mark: markOf(options.etcd.prefix) };
  const reason = backend.unsuitable(host);
  if (reason !== null) throw new FlannelError("backend.unsuitable", { backend: backend.type, reason });
  return { network, ipv4, backend, underlay, mark: host.mark, flannelDevices: flannelDevices(links) };
}

/** With where the config is to be found in front of what is wrong in it. */
function backendOf({ backend }: NetworkConfig, key: string): Backend {
  try {
    return createBackend(backend);
  } catch (error) {
    if (!isError(error, "config.invalid")) throw error;
    const { at, reason } = error.info;
    throw new FlannelError("config.invalid", { at: `network config in etcd at ${key}: ${at}`, reason });
  }
}

function requireIpv4({ ipv4, ipv6 }: NetworkConfig, key: string): Ipv4Network {
  const at = `network config in etcd at ${key}`;
  if (ipv6)
    throw new FlannelError("config.invalid", { at, reason: "$.EnableIPv6: IPv6 is not built into this flanneld yet" });
  if (!ipv4) throw new FlannelError("config.invalid", { at, reason: "$.EnableIPv4 and $.EnableIPv6 are both false" });
  return ipv4;
}

async function acquire(learned: Learned, options: Options, means: Means, signal: AbortSignal): Promise<Acquired> {
  const { board, kernel, random } = means;
  const { backend, underlay, mark } = learned;
  const links = await kernel.links(signal);
  const request: AcquireRequest = {
    network: learned.ipv4,
    publicIp: underlay.publicIp,
    previous: await previousSubnet(options.subnetFile, means),
    advertise: (own) => backend.advertise({ underlay, links, mark, own, random }),
    ttl: LEASE_TTL,
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

async function hold(
  learned: Learned,
  acquired: Acquired,
  plane: DataPlane | null,
  options: Options,
  means: Means,
  signal: AbortSignal,
): Promise<void> {
  const { board, log } = means;
  const holder = createLeaseHolder(
    acquired.lease,
    { ttl: LEASE_TTL, margin: options.renewMargin },
    { ...means, onChange: () => reconciler.poke() },
  );
  const follower = createLeaseFollower(
    acquired.list,
    { recount: RECOUNT_INTERVAL },
    {
      ...means,
      self: holder.lease,
      onChange: (event) => {
        holder.observe(event);
        reconciler.poke();
      },
    },
  );
  const onView = (view: NetworkView) => plane?.follow(view);
  // Chosen now and not before the lease, which may have been waited for: what was free then may be taken.
  const device = learned.backend.device({ ...learned, links: await means.kernel.links(signal) });
  const planner = createPlanner({ ...learned, device, table: follower.table, self: holder.lease, onView, log });
  const reconciler = createReconciler({
    ...means,
    plan() {
      plane?.check();
      return planner.plan();
    },
  });
  board.watch("lease", () => holder.trouble());
  board.watch("device", () => reconciler.status().own ?? plane?.trouble() ?? null);
  using _report = means.onReportRequest(() => {
    const { passes, applied, repaired } = reconciler.status();
    log.info("kernel state", { passes, ops: applied, repaired });
    plane?.report();
  });
  const ready = async (until: AbortSignal) => {
    await reconciler.ready(until);
    await plane?.ready(until);
  };
  const publisher = createPublisher(options, learned, holder, { ...means, ready });
  const tasks: Record<string, Task> = {
    reconcile: reconciler.run,
    hold: holder.run,
    follow: follower.run,
    publish: publisher,
  };
  if (plane) tasks["carry"] = (until) => plane.run(reconciler.ready, until);
  await runTasks(tasks, signal);
}
