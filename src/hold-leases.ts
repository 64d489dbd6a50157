// What a running daemon does about etcd: its own lease, the leases of others, the network config, and the underlay that the
// lease announces. Here these parts are made and told of each other; hold.ts runs them.

import { type AddressClaim, createAddressClaim } from "./address-claim.ts";
import { type EpochMillis, minutes } from "./base/brand.ts";
import type { Options } from "./cli/options.ts";
import { type ConfigFollower, createConfigFollower } from "./follow-config.ts";
import { createUnderlayFollower, type UnderlayFollower } from "./follow-underlay.ts";
import { findUnderlay, type Learned } from "./learn.ts";
import type { Means } from "./means.ts";
import { addressesOf } from "./net/underlay.ts";
import type { Observer } from "./observe.ts";
import { createOwnRecord } from "./own-record.ts";
import type { Acquired } from "./subnet/acquire-lease.ts";
import { createLeaseFollower, type LeaseFollower } from "./subnet/follow-leases.ts";
import { createLeaseHolder, type LeaseHolder } from "./subnet/hold-lease.ts";
import { createPeerKeeper, type PeerKeeper } from "./subnet/keep-peers.ts";
import { LEASE_TTL, type Lease } from "./subnet/lease.ts";
import type { Remembered } from "./subnet/remembered.ts";

/** How often the records are counted although the watch works; each daemon draws its own time from half of it on. */
const RECOUNT_INTERVAL = minutes(10);
/** The same for the network config. */
const RECHECK_INTERVAL = minutes(20);

export interface Leases {
  readonly holder: LeaseHolder;
  readonly follower: LeaseFollower;
  readonly keeper: PeerKeeper;
  readonly config: ConfigFollower;
  readonly underlays: UnderlayFollower;
}

export function holdLeases(
  learned: Learned,
  acquired: Acquired,
  options: Options,
  means: Means & { readonly observer: Observer },
  onChange: () => void,
): Leases {
  const wanted = createOwnRecord({
    ...learned,
    ...means,
    backend: () => config.overlay().backend,
    first: learned.underlay,
    underlay: () => underlays.underlay(),
  });
  const terms = { ttl: LEASE_TTL, margin: options.renewMargin };
  const holder = createLeaseHolder(acquired, terms, { ...means, wanted, onChange });
  const follower = createLeaseFollower(
    acquired,
    { recount: RECOUNT_INTERVAL },
    {
      ...means,
      self: () => (holder.isHeld() ? holder.lease() : null),
      onChange: (event) => {
        means.observer.heard(event);
        holder.observe(event);
        keeper.observe(event);
        underlays.recheck();
        onChange();
      },
      onConnected: holder.retry,
    },
  );
  const rules = { grace: options.stalePeerGrace, self: holder.lease().key };
  const keeper = createPeerKeeper(rules, { ...means, before: learned.lately, table: follower.table, onChange });
  const watched = { key: learned.configKey, recheck: RECHECK_INTERVAL };
  const config = createConfigFollower(learned.overlay, watched, { ...means, self: holder.lease, onChange });
  const claim = createAddressClaim({ ...means, table: keeper.table, self: holder.lease });
  const announce = () => {
    holder.announce();
    onChange();
  };
  const underlays = followUnderlay(learned, { config, holder }, claim, options, { ...means, onChange: announce });
  return { holder, follower, keeper, config, underlays };
}

function followUnderlay(
  { underlay, mark }: Learned,
  { config, holder }: Pick<Leases, "config" | "holder">,
  claim: AddressClaim,
  options: Options,
  deps: Means & { readonly onChange: () => void },
): UnderlayFollower {
  return createUnderlayFollower(underlay, {
    ...deps,
    onMove: deps.store.reconnect,
    choose: (signal) => findUnderlay(config.overlay().network, options, holder.lease().subnet, deps, signal),
    chooseOf(family, signal) {
      const network = { ipv4: null, ipv6: null, [family]: config.overlay().network[family] };
      return findUnderlay(network, options, holder.lease().subnet, deps, signal);
    },
    async objection(next, signal) {
      const links = await deps.kernel.links(signal);
      const unsuitable = config.overlay().backend.unsuitable({ underlay: next, links, mark });
      return unsuitable ?? (await claim(addressesOf(next), signal));
    },
  });
}

/** Nothing while another host has the lease: a start without etcd must not come up with it. */
export function worthRemembering(
  { holder, keeper, config }: Leases,
  now: EpochMillis,
): Omit<Remembered, "prefix" | "writtenAt"> | null {
  if (!holder.isHeld()) return null;
  const { leases, revision } = keeper.table();
  const list = { revision, leases: [...leases.values()], bad: [] };
  const [held, remaining] = [holder.lease(), holder.remaining()];
  const lease: Lease =
    remaining === null ? held : { ...held, term: { kind: "until", at: (now + remaining) as EpochMillis } };
  return { config: config.overlay().text, acquired: { lease, list, fresh: true } };
}
