// Holds everything together until stopped: the leases, the kernel, the subnet file and what is remembered. Here the parts
// are made and told of each other; each part that waits has one task.

import type { Backend, NetworkView } from "./backends/backend.ts";
import { type EpochMillis, minutes } from "./base/brand.ts";
import { remedyOf } from "./base/remedy.ts";
import { runTasks, type Task } from "./base/tasks.ts";
import type { Options } from "./cli/options.ts";
import type { DataPlane } from "./data-plane.ts";
import type { Firewall } from "./firewall/firewall.ts";
import { releasing } from "./free-memory.ts";
import { holdLeases, type Leases, worthRemembering } from "./hold-leases.ts";
import { createHostFirewall } from "./host-firewall.ts";
import type { Learned } from "./learn.ts";
import type { Means } from "./means.ts";
import type { Memory } from "./memory.ts";
import type { LinkName } from "./net/objects.ts";
import type { ReconcileStatus } from "./net/progress.ts";
import { createReconciler, type Reconciler } from "./net/reconciler.ts";
import { createObserver, type Observer } from "./observe.ts";
import { type HostObserver, observeHost } from "./observe-host.ts";
import { type ChecksumWatch, createChecksumWatch } from "./offload/checksum-watch.ts";
import { createOwnBlackhole } from "./own-blackhole.ts";
import { type PeerTraffic, trafficOf } from "./peer-traffic.ts";
import { createPlanner, type Planner } from "./planner.ts";
import { type PeerProbes, probesOf } from "./probe-peers.ts";
import { createPublisher, type Publisher } from "./publisher.ts";
import { reportOnRequest } from "./report.ts";
import { describeState } from "./status-board.ts";
import type { Acquired } from "./subnet/acquire-lease.ts";
import type { StoreHealth } from "./subnet/lease-store.ts";
import { familiesOf } from "./subnet/network-families.ts";
import { createForwardingWatch, type ForwardingWatch } from "./watch-forwarding.ts";
import { createNeighbourWatch, type NeighbourWatch } from "./watch-neighbours.ts";
import { createPulse } from "./watchdog.ts";

export async function hold(
  learned: Learned,
  acquired: Acquired,
  plane: DataPlane | null,
  options: Options,
  means: Means,
  signal: AbortSignal,
): Promise<void> {
  const { memory } = learned;
  const onChange = () => {
    reconciler.poke();
    firewall.poke();
    publisher.touch();
    if (leases.holder.isHeld()) memory.touch();
    else void memory.forget();
  };
  const observer = createObserver(learned, options, means);
  const leases = holdLeases(learned, acquired, options, { ...means, observer }, onChange);
  // Chosen now and not before the lease, which may have been waited for: what was free then may be taken.
  const device = learned.overlay.backend.device({ ...learned, links: await means.kernel.links(signal) });
  const neighbours = createNeighbourWatch(means);
  const forwarding = forwardingOf(leases, means);
  const checksums = createChecksumWatch({ ...means, onChange: () => reconciler.poke() });
  const probes = probesOf(options, means);
  const host = observeHost(options, means);
  const traffic = trafficOf(options, means);
  const watches = { plane, neighbours, forwarding, probes, traffic, checksums, host, observer };
  const reconciler = reconcile(learned, leases, device, watches, options, means);
  const firewall = guard(learned, leases, options, means);
  const ready = async (until: AbortSignal) => {
    await reconciler.ready(until);
    await plane?.ready(until);
    await firewall.tried(until);
  };
  const publisher = publish(leases, options, { ...means, ready });
  const parts: Parts = { ...watches, leases, reconciler, firewall, publisher };
  watchAll(parts, means);
  observer.attach({ ...parts, ...leases, device });
  using _report = reportOnRequest(parts, means);
  memory.touch();
  await runTasks(tasksOf(parts, memory, means), signal);
}

interface Parts {
  readonly leases: Leases;
  readonly reconciler: Reconciler;
  readonly neighbours: NeighbourWatch;
  readonly forwarding: ForwardingWatch;
  readonly host: HostObserver;
  readonly checksums: ChecksumWatch;
  readonly probes: PeerProbes | null;
  readonly traffic: PeerTraffic;
  readonly firewall: Firewall;
  readonly publisher: Publisher;
  readonly plane: DataPlane | null;
}

function tasksOf(
  { leases, reconciler, neighbours, probes, traffic, forwarding, host, checksums, firewall, publisher, plane }: Parts,
  memory: Memory,
  means: Means,
): Record<string, Task> {
  const { clock } = means;
  return {
    reconcile: reconciler.run,
    neighbours: neighbours.run,
    forwarding: forwarding.run,
    host: host.run,
    checksums: (signal) => checksums.run(reconciler.ready, signal),
    ...(probes && { probe: probes.run }),
    traffic: (signal) => traffic.run(reconciler.ready, signal),
    hold: leases.holder.run,
    follow: leases.follower.run,
    keep: leases.keeper.run,
    config: leases.config.run,
    underlay: leases.underlays.run,
    guard: firewall.run,
    publish: publisher.run,
    remember: (signal) => memory.run(() => worthRemembering(leases, clock.now()), signal),
    release: releasing(means),
    ...(plane && { carry: (signal: AbortSignal) => plane.run(reconciler.ready, signal) }),
  };
}

interface Watches
  extends Pick<Parts, "plane" | "neighbours" | "forwarding" | "probes" | "traffic" | "checksums" | "host"> {
  readonly observer: Observer;
}

function reconcile(
  learned: Learned,
  leases: Leases,
  device: LinkName | null,
  watches: Watches,
  { blackholeRoute }: Options,
  means: Means,
): Reconciler {
  const { holder, config } = leases;
  const { plane, neighbours, forwarding, traffic, checksums, observer } = watches;
  const { board } = means;
  board.describe(() => describeState(holder.lease(), config.overlay().backend, observer.peers(), checksums.note()));
  const planner = plannerOf(learned, leases, device, watches, means);
  board.degrade("ipv6-subnet", planner.ipv6Trouble);
  const own = () => ({ network: config.overlay().network, subnet: holder.lease().subnet });
  const withBlackhole = createOwnBlackhole(own, blackholeRoute);
  return createReconciler({
    ...means,
    plan() {
      plane?.check();
      const planned = planner.plan();
      const plan = withBlackhole(planned);
      traffic.planned(planned);
      observer.planned(planner.leftOut());
      // Once for all that has come since the last pass: each event of the store would be too often.
      board.announce();
      neighbours.follow(plan);
      forwarding.follow(plan);
      return plan;
    },
    pulse: observer.over(createPulse(means)),
  });
}

function plannerOf(
  learned: Learned,
  { holder, keeper, config, underlays }: Leases,
  device: LinkName | null,
  watches: Watches,
  { clock, log }: Means,
): Planner {
  return createPlanner({
    ...learned,
    device,
    overlay: config.overlay,
    underlay: underlays.underlay,
    formerUnderlays: underlays.former,
    table: keeper.table,
    self: holder.lease,
    isHeld: holder.isHeld,
    measuredOffload: watches.checksums.offload,
    onView: (view) => showView(view, config.overlay().backend, watches),
    clock,
    log,
  });
}

/** Tells everybody who goes by the view that a plan is made of. */
function showView(
  view: NetworkView,
  { userspace, checksumDuty }: Backend,
  { plane, probes, traffic, checksums, host, observer }: Watches,
): void {
  observer.viewed(view);
  host.viewed(view);
  probes?.follow(view);
  traffic.viewed(view);
  if (userspace) plane?.follow(view, userspace);
  checksums.follow(checksumDuty(view));
}

function forwardingOf({ config, holder }: Leases, means: Means): ForwardingWatch {
  const watch = createForwardingWatch({
    ...means,
    families: () => familiesOf(config.overlay().network),
    subnet: () => holder.lease().subnet,
    onChange: () => means.board.announce(),
  });
  means.status.refreshBy(watch.refresh);
  return watch;
}

function guard(learned: Learned, { config, holder }: Leases, options: Options, means: Means): Firewall {
  const state = () => ({ network: config.overlay().network, subnet: holder.lease().subnet });
  return createHostFirewall(learned.firewall, options, state, means);
}

function publish(
  { holder, config, underlays }: Leases,
  options: Options,
  deps: Means & { readonly ready: (signal: AbortSignal) => Promise<void> },
): Publisher {
  const published = () => ({
    ...config.overlay(),
    underlay: underlays.underlay(),
    subnet: holder.lease().subnet,
  });
  return createPublisher(options, published, deps);
}

/** What keeps the host from being ready, and what is not as it should be although packets flow. */
function watchAll(
  { leases, reconciler, neighbours, forwarding, firewall, plane }: Parts,
  { board, store, clock }: Means,
): void {
  board.watch("lease", () => (leases.holder.isHeld() ? null : leases.holder.trouble()));
  board.watch("device", () => reconciler.status().own ?? plane?.trouble() ?? null);
  board.degrade("etcd", leases.follower.trouble);
  board.degrade("certificates", () => certificateTrouble(store.health(), clock.now()));
  board.degrade("underlay", () => leases.underlays.trouble() ?? plane?.socketTrouble() ?? null);
  board.degrade("renewal", () => (leases.holder.isHeld() ? leases.holder.trouble() : null));
  board.degrade("kernel", () => contest(reconciler.status()));
  board.degrade("neighbours", neighbours.trouble);
  board.degrade(
    "forwarding",
    () => forwarding.trouble()?.sentence ?? null,
    () => remedyOf(forwarding.trouble()),
  );
  board.degrade("firewall", firewall.trouble);
  board.degrade("peers", leases.keeper.trouble);
  board.degrade("network-config", leases.config.trouble);
}

function contest({ contested }: ReconcileStatus): string | null {
  return contested && `another agent keeps undoing ${contested}; it is repaired less and less often`;
}

const CERTIFICATE_NOTICE = minutes(7 * 24 * 60);

function certificateTrouble({ certificates, refusedFiles }: StoreHealth, now: EpochMillis): string | null {
  if (refusedFiles !== null) return `${refusedFiles}; what was read before stays in use, and a restart would fail`;
  const [first] = certificates.toSorted((a, b) => a.expires - b.expires);
  if (!first || first.expires - now > CERTIFICATE_NOTICE) return null;
  return `${first.name} ${first.expires > now ? "expires" : "expired"} at ${new Date(first.expires).toISOString()}`;
}
