// Between the parts of the daemon and whoever asks about it: hears of each plan and each pass, keeps in which state the
// peers are, and hands the parts' numbers to the collector. Nothing that is done to the host depends on it.

import type { NetworkView } from "./backends/backend.ts";
import type { Options } from "./cli/options.ts";
import type { DataPlane } from "./data-plane.ts";
import type { Firewall } from "./firewall/firewall.ts";
import type { ConfigFollower } from "./follow-config.ts";
import type { UnderlayFollower } from "./follow-underlay.ts";
import type { Learned } from "./learn.ts";
import type { Means } from "./means.ts";
import type { LinkName } from "./net/objects.ts";
import type { Pulse, Reconciler } from "./net/reconciler.ts";
import type { Underlay } from "./net/underlay.ts";
import type { Overlay } from "./overlay.ts";
import { type PeerTraffic, trafficWith } from "./peer-traffic.ts";
import type { PeerProbes, ProbedWay } from "./probe-peers.ts";
import { createCheckEvents } from "./status/check-events.ts";
import type { StatusSources } from "./status/collect.ts";
import { createPeerTracker, type PeerTracker } from "./status/peer-tracker.ts";
import { createPropagation } from "./status/propagation.ts";
import {
  datapathSection,
  leaseSection,
  reconcileSection,
  storeSection,
  subnetsSection,
  underlaySection,
} from "./status/sections.ts";
import type { BackendStatus, NetworkStatus, ProbeStatus } from "./status/snapshot.ts";
import type { LeftOut } from "./subnet/admission.ts";
import type { LeaseFollower } from "./subnet/follow-leases.ts";
import type { LeaseHolder } from "./subnet/hold-lease.ts";
import type { PeerKeeper } from "./subnet/keep-peers.ts";
import type { SubnetKey } from "./subnet/lease.ts";
import type { StoreEvent } from "./subnet/lease-store.ts";

/** What is asked for its numbers. */
export interface ObservedParts {
  readonly holder: LeaseHolder;
  readonly follower: LeaseFollower;
  readonly keeper: PeerKeeper;
  readonly config: ConfigFollower;
  readonly underlays: UnderlayFollower;
  readonly reconciler: Reconciler;
  readonly firewall: Firewall;
  readonly plane: DataPlane | null;
  readonly probes: PeerProbes | null;
  readonly traffic: Pick<PeerTraffic, "read">;
  readonly device: LinkName | null;
}

export interface Observer {
  /** The store has told this. Costs nothing. */
  heard(event: StoreEvent): void;
  /** Of this a plan is made now, and these records are left out. */
  viewed(view: NetworkView): void;
  /** As of the last view. */
  peers(): number;
  planned(leftOut: readonly LeftOut[]): void;
  /** The same pulse, which also tells the observer that the loop has come round. */
  over(pulse: Pulse): Pulse;
  /** The parts are there. */
  attach(parts: ObservedParts): void;
}

export function createObserver(learned: Learned, options: Options, means: Means): Observer {
  const propagation = createPropagation(means.clock);
  const tracker = createPeerTracker(means.clock, means.events);
  const tellChecks = createCheckEvents(means.events);
  let view: NetworkView | null = null;
  let leftOut: readonly LeftOut[] = [];
  let parts: ObservedParts | null = null;
  const look = () => {
    tellChecks(means.board.readiness());
    if (parts === null || view === null) return;
    propagation.passed(isThere(parts.reconciler));
    observePeers(parts, view, leftOut, tracker);
  };
  return {
    heard({ kind }) {
      if (kind === "changes" || kind === "reset") propagation.changed();
    },
    viewed(next) {
      view = next;
    },
    peers: () => view?.peers.length ?? 0,
    planned(next) {
      leftOut = next;
      propagation.planned();
    },
    over: ({ interval, beat }) => ({
      interval,
      beat() {
        beat();
        look();
      },
    }),
    attach(next) {
      parts = next;
      const probes = (key: SubnetKey) => probeSection(next.probes?.ways(key) ?? []);
      const peers: Partial<StatusSources> = {
        // What cannot be read is not known; the part that keeps it tells why.
        peerTraffic: async () => (await next.traffic.read?.().catch(() => null)) ?? new Map(),
        peers: (counted) =>
          tracker.peers({ probes, traffic: (lease) => trafficWith(lease, counted), keptFor: next.keeper.keptFor }),
        leftOut: tracker.leftOut,
      };
      const sources = sourcesOf(next, learned, options, means);
      means.status.attach({ ...sources, ...peers, propagation: propagation.read });
    },
  };
}

/** All that is wanted. What is still to be removed, and cannot be, keeps no packet from its peer. */
function isThere(reconciler: Reconciler): boolean {
  const { own, isStale } = reconciler.status();
  return !isStale && own === null && reconciler.missing().length === 0;
}

function observePeers(
  { keeper, reconciler, plane }: ObservedParts,
  { peers }: NetworkView,
  leftOut: readonly LeftOut[],
  tracker: PeerTracker,
): void {
  const missing = reconciler.missing();
  const { own, isStale } = reconciler.status();
  // What is known of the peers is as old as the last pass, and says nothing of those of this view.
  if (isStale && own === null) return;
  const { leases } = keeper.table();
  const departed = keeper.departed();
  tracker.observe({ peers, departed, missing, trouble: own ?? plane?.trouble() ?? null, leftOut, leases });
}

function sourcesOf(parts: ObservedParts, learned: Learned, options: Options, means: Means): Partial<StatusSources> {
  const { holder, follower, keeper, config, underlays, reconciler, firewall, plane, device } = parts;
  const { store, kernel, clock } = means;
  const { prefix, endpoints } = options.etcd;
  return {
    store: () => {
      const followed = {
        trouble: follower.trouble(),
        counts: follower.counts(),
        revision: follower.table().revision,
      };
      return storeSection(endpoints, store.health(), store.callCounts(), followed);
    },
    network: () => networkSection(prefix, learned.configKey, config.overlay()),
    underlay: () => underlaySection(underlays.underlay()),
    backend: () => backendSection(config.overlay(), underlays.underlay(), device),
    lease: () => {
      const [lease, isHeld, remaining] = [holder.lease(), holder.isHeld(), holder.remaining()];
      const held = { lease, isHeld, remaining, trouble: holder.trouble(), account: holder.account() };
      return leaseSection(held, clock.now());
    },
    subnets: () => subnetsSection(config.overlay().network, keeper.table()),
    reconcile: () => reconcileSection(reconciler.status(), reconciler.account()),
    firewall: () => ({
      mode: config.overlay().network.nftables ? "nftables" : "iptables",
      tools: learned.firewall.tools.places.map(({ name }) => name),
      ...firewall.status(),
      trouble: firewall.trouble(),
    }),
    ...(plane && { datapath: () => datapathSection(plane.status()) }),
    neighbourTable: () => kernel.neighbourTable(AbortSignal.timeout(1000)).catch(() => null),
  };
}

function probeSection(ways: readonly ProbedWay[]): readonly ProbeStatus[] {
  return ways.map(({ over, to, rtt, loss, pathMtu, isAnswering }) => ({
    over,
    address: to,
    rttSeconds: rtt === null ? null : rtt / 1000,
    lossRatio: loss,
    pathMtu,
    isAnswering,
  }));
}

function networkSection(prefix: string, configKey: string, { network, text }: Overlay): NetworkStatus {
  const [ipv4, ipv6] = [network.ipv4?.network ?? null, network.ipv6?.network ?? null];
  return { prefix, configKey, ipv4, ipv6, config: text };
}

function backendSection({ backend }: Overlay, underlay: Underlay, device: LinkName | null): BackendStatus {
  const devices = backend.devices(underlay, device).map(({ name, mtu }) => ({ name, mtu }));
  return { type: backend.type, device, mtu: backend.mtu(underlay), devices };
}

/** What is known before the lease is: for whoever asks why there is none. */
export function sourcesOfStart({ overlay, configKey, underlay }: Learned, options: Options): Partial<StatusSources> {
  return {
    network: () => networkSection(options.etcd.prefix, configKey, overlay),
    underlay: () => underlaySection(underlay),
    backend: () => backendSection(overlay, underlay, null),
  };
}
