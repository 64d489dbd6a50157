// Holds everything together until stopped: the lease, the peers, the kernel, the subnet file and what is remembered. Here
// the parts are made and told of each other; each part that waits has one task.

import type { NetworkView } from "./backends/backend.ts";
import { type EpochMillis, minutes } from "./base/brand.ts";
import { runTasks, type Task } from "./base/tasks.ts";
import type { Options } from "./cli/options.ts";
import type { DataPlane } from "./data-plane.ts";
import { type ConfigFollower, createConfigFollower } from "./follow-config.ts";
import type { Learned } from "./learn.ts";
import type { Means } from "./means.ts";
import type { LinkName } from "./net/objects.ts";
import { createReconciler, type Reconciler } from "./net/reconciler.ts";
import { createPlanner } from "./planner.ts";
import { createPublisher, type Publisher } from "./publisher.ts";
import { describeState } from "./status-board.ts";
import type { Acquired } from "./subnet/acquire-lease.ts";
import { createLeaseFollower, type LeaseFollower } from "./subnet/follow-leases.ts";
import { createLeaseHolder, type LeaseHolder } from "./subnet/hold-lease.ts";
import { createPeerKeeper, type PeerKeeper } from "./subnet/keep-peers.ts";
import { LEASE_TTL } from "./subnet/lease.ts";
import type { CertificateExpiry } from "./subnet/lease-store.ts";
import type { Remembered } from "./subnet/remembered.ts";
import { createPulse } from "./watchdog.ts";

/** How often the records are counted although the watch works; each daemon draws its own time from half of it on. */
const RECOUNT_INTERVAL = minutes(10);

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
    publisher.touch();
    memory.touch();
  };
  const leases = holdLeases(learned, acquired, options, means, onChange);
  // Chosen now and not before the lease, which may have been waited for: what was free then may be taken.
  const device = learned.overlay.backend.device({ ...learned, links: await means.kernel.links(signal) });
  const reconciler = reconcile(learned, leases, device, plane, means);
  const ready = async (until: AbortSignal) => {
    await reconciler.ready(until);
    await plane?.ready(until);
  };
  const publisher = publish(learned, leases, options, { ...means, ready });
  watchAll(leases, reconciler, plane, means);
  using _report = reportOnRequest(reconciler, plane, means);
  const tasks: Record<string, Task> = {
    reconcile: reconciler.run,
    hold: leases.holder.run,
    follow: leases.follower.run,
    keep: leases.keeper.run,
    config: leases.config.run,
    publish: publisher.run,
    remember: (until) => memory.run(() => worthRemembering(leases), until),
  };
  if (plane) tasks["carry"] = (until) => plane.run(reconciler.ready, until);
  memory.touch();
  await runTasks(tasks, signal);
}

interface Leases {
  readonly holder: LeaseHolder;
  readonly follower: LeaseFollower;
  readonly keeper: PeerKeeper;
  readonly config: ConfigFollower;
}

function holdLeases(
  learned: Learned,
  acquired: Acquired,
  options: Options,
  means: Means,
  onChange: () => void,
): Leases {
  const holder = createLeaseHolder(acquired, { ttl: LEASE_TTL, margin: options.renewMargin }, { ...means, onChange });
  const follower = createLeaseFollower(
    acquired,
    { recount: RECOUNT_INTERVAL },
    {
      ...means,
      self: () => (holder.isHeld() ? holder.lease() : null),
      onChange: (event) => {
        holder.observe(event);
        keeper.observe(event);
        onChange();
      },
      onConnected: holder.retry,
    },
  );
  const rules = { grace: options.stalePeerGrace, self: holder.lease().key };
  const keeper = createPeerKeeper(rules, { ...means, table: follower.table, onChange });
  const config = createConfigFollower(learned.overlay, learned.configKey, { ...means, self: holder.lease, onChange });
  return { holder, follower, keeper, config };
}

function reconcile(
  learned: Learned,
  { holder, keeper, config }: Leases,
  device: LinkName | null,
  plane: DataPlane | null,
  means: Means,
): Reconciler {
  let peers = 0;
  const onView = (view: NetworkView) => {
    peers = view.peers.length;
    plane?.follow(view);
  };
  means.board.describe(() => describeState(holder.lease(), config.overlay().backend, peers));
  const planner = createPlanner({
    ...learned,
    device,
    overlay: config.overlay,
    table: keeper.table,
    self: holder.lease,
    isHeld: holder.isHeld,
    onView,
    log: means.log,
  });
  return createReconciler({
    ...means,
    plan() {
      plane?.check();
      return planner.plan();
    },
    pulse: createPulse(means),
  });
}

function publish(
  { underlay }: Learned,
  { holder, config }: Leases,
  options: Options,
  deps: Means & { readonly ready: (signal: AbortSignal) => Promise<void> },
): Publisher {
  return createPublisher(options, () => ({ ...config.overlay(), underlay, subnet: holder.lease().subnet }), deps);
}

/** What keeps the host from being ready, and what is not as it should be although packets flow. */
function watchAll(leases: Leases, reconciler: Reconciler, plane: DataPlane | null, means: Means): void {
  const { board, store, clock } = means;
  board.watch("lease", () => (leases.holder.isHeld() ? null : leases.holder.trouble()));
  board.watch("device", () => reconciler.status().own ?? plane?.trouble() ?? null);
  board.degrade("etcd", leases.follower.trouble);
  board.degrade("certificates", () => expiring(store.health().certificates, clock.now()));
  board.degrade("renewal", () => (leases.holder.isHeld() ? leases.holder.trouble() : null));
  board.degrade("peers", leases.keeper.trouble);
  board.degrade("network config", leases.config.trouble);
}

const CERTIFICATE_NOTICE = minutes(7 * 24 * 60);

function expiring(certificates: readonly CertificateExpiry[], now: EpochMillis): string | null {
  const [first] = certificates.toSorted((a, b) => a.expires - b.expires);
  if (!first || first.expires - now > CERTIFICATE_NOTICE) return null;
  return `${first.name} ${first.expires > now ? "ends" : "ended"} at ${new Date(first.expires).toISOString()}`;
}

function reportOnRequest(reconciler: Reconciler, plane: DataPlane | null, { log, onReportRequest }: Means): Disposable {
  return onReportRequest(() => {
    const { passes, applied, repaired } = reconciler.status();
    log.info("kernel state", { passes, ops: applied, repaired });
    plane?.report();
  });
}

/** Nothing while another host has the lease: a start without etcd must not come up with it. */
function worthRemembering({ holder, follower, config }: Leases): Omit<Remembered, "prefix"> | null {
  if (!holder.isHeld()) return null;
  const { leases, revision } = follower.table();
  const list = { revision, leases: [...leases.values()], bad: [] };
  return { config: config.overlay().text, acquired: { lease: holder.lease(), list, fresh: true } };
}
