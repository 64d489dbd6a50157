// Traffic by peer, if asked for: what the kernel counts follows from the peers and from where the plan's routes lead. If
// not, what an earlier start has left is removed.

import type { NetworkView } from "./backends/backend.ts";
import { delays } from "./base/backoff.ts";
import { millis, minutes } from "./base/brand.ts";
import { createComplaint } from "./base/complaint.ts";
import { isError } from "./base/errors.ts";
import type { Prefix } from "./base/ip.ts";
import { createWaiters } from "./base/waiters.ts";
import type { Options } from "./cli/options.ts";
import type { Means } from "./means.ts";
import type { Plan } from "./net/plan.ts";
import type { Traffic } from "./status/snapshot.ts";
import { hasIpv4, type Lease, type Subnet } from "./subnet/lease.ts";
import { type Counted, trafficTable } from "./traffic/counted.ts";
import { openNftTable, removeNftTable } from "./traffic/nft-table.ts";
import { createPeerCounters } from "./traffic/peer-counters.ts";
import type { TrafficBySubnet } from "./traffic/table.ts";

export interface PeerTraffic {
  /** Of this the next plan is made. */
  viewed(view: Pick<NetworkView, "peers" | "complete">): void;
  /** The same object while nothing has changed. */
  planned(plan: Pick<Plan, "want">): void;
  /** Null without the flag. */
  readonly read: (() => Promise<TrafficBySubnet>) | null;
  /** Begins when the kernel is as it should be. */
  run(ready: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void>;
}

type TrafficOptions = Pick<Options, "peerTraffic"> & { readonly etcd: Pick<Options["etcd"], "prefix"> };
type TrafficMeans = Pick<Means, "runTool" | "clock" | "random" | "log" | "watchRules" | "board">;

/** As asked for; what keeps it from counting is told by the board. */
export function trafficOf({ peerTraffic, etcd }: TrafficOptions, means: TrafficMeans): PeerTraffic {
  const table = trafficTable(etcd.prefix);
  return peerTraffic ? countTraffic(table, means) : removeTraffic(table, means);
}

function countTraffic(table: string, means: TrafficMeans): PeerTraffic {
  const { board } = means;
  const counters = createPeerCounters(table, openNftTable(table, means), {
    ...means,
    onChange: () => board.announce(),
  });
  board.degrade("peer-traffic", counters.trouble);
  let view: Pick<NetworkView, "peers" | "complete"> | null = null;
  let planned: Pick<Plan, "want"> | null = null;
  return {
    viewed(next) {
      view = next;
    },
    planned(plan) {
      if (plan === planned || view === null) return;
      planned = plan;
      counters.follow(countedOf(view, plan));
    },
    read: counters.read,
    async run(ready, signal) {
      await ready(signal);
      await counters.run(signal);
    },
  };
}

/** A route to a peer, or to all of them, leads to the device by which its packets come, too. */
export function countedOf(
  { peers, complete }: Pick<NetworkView, "peers" | "complete">,
  { want }: Pick<Plan, "want">,
): Counted {
  const devices = new Set(want.flatMap((object) => (object.kind === "route" ? [object.dev] : [])));
  return { devices: [...devices], subnets: peers.flatMap(({ subnet }) => subnetsOf(subnet)), complete };
}

function subnetsOf(subnet: Subnet): readonly Prefix[] {
  return [...(hasIpv4(subnet) ? [subnet.v4] : []), ...(subnet.v6 === null ? [] : [subnet.v6])];
}

/** Of both families; null when it is counted in neither. */
export function trafficWith({ subnet }: Pick<Lease, "subnet">, counted: ReadonlyMap<string, Traffic>): Traffic | null {
  const found = subnetsOf(subnet).flatMap((one) => counted.get(one) ?? []);
  const sum = (name: keyof Traffic) => found.reduce((total, one) => total + one[name], 0);
  if (found.length === 0) return null;
  return {
    receivedBytes: sum("receivedBytes"),
    receivedPackets: sum("receivedPackets"),
    sentBytes: sum("sentBytes"),
    sentPackets: sum("sentPackets"),
  };
}

const REMOVE_RETRY = { first: millis(1000), max: minutes(10) };

function removeTraffic(table: string, means: TrafficMeans): PeerTraffic {
  const { clock, random, log } = means;
  return {
    viewed: () => {},
    planned: () => {},
    read: null,
    async run(ready, signal) {
      const complaint = createComplaint(
        { raised: "cannot remove what an earlier start counts traffic by", settled: "what counted traffic is gone" },
        means,
      );
      await ready(signal);
      for (const delay of delays({ ...REMOVE_RETRY, random })) {
        try {
          if (await removeNftTable(table, means, signal)) log.info("traffic is not counted by peer any more");
          complaint.settle();
          break;
        } catch (error) {
          if (!isError(error, "firewall.failed")) throw error;
          complaint.raise(error.message);
        }
        await clock.sleep(delay, signal);
      }
      await createWaiters().until(() => false, signal);
    },
  };
}
