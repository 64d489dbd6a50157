// How a packet travelled, observed and not assumed: a counter in the firewall of both hosts at each place where the
// packet must pass, then one ping.

import type { Pod } from "../lab/cni.ts";
import { ping } from "../lab/ping.ts";
import { attempt, run } from "../lab/run.ts";
import { inNamespace, type Machine } from "../lab/topology.ts";
import type { Tunnel } from "./backends.ts";

/** One place that the echo request or its reply passes. */
export interface Stage {
  readonly way: "request" | "reply";
  readonly host: Machine;
  readonly device: string;
  readonly direction: "in" | "out";
  /** The netfilter hook where it is counted, and what counts, in nft's language. */
  readonly hook: "prerouting" | "input" | "output" | "postrouting";
  readonly match: string;
  readonly source: string;
  readonly destination: string;
  readonly what: string;
}

export interface Observation extends Stage {
  readonly packets: number;
  readonly bytes: number;
}

const TABLE = "inet flanneld_demo";

/** Of the ping as ping(8) sends it, and of what is put before it. */
const ECHO_BYTES = 84;
const UDP_BYTES = 8;
const VXLAN_AND_ETHERNET_BYTES = 22;

/** cni0, the tunnel's device if there is one, the wire, and back up; then the reply, in the other direction. */
export function planJourney(from: Pod, to: Pod, tunnel: Tunnel | null): readonly Stage[] {
  return [...planWay("request", from, to, tunnel), ...planWay("reply", to, from, tunnel)];
}

/** Sends one ping from pod to pod and says what each place has seen. */
export async function observeJourney(
  from: Pod,
  to: Pod,
  tunnel: Tunnel | null,
  signal: AbortSignal,
): Promise<readonly Observation[]> {
  const stages = planJourney(from, to, tunnel);
  const hosts = [from.host, to.host];
  try {
    for (const host of hosts) {
      const input = formatCounters(stages, host);
      await run(inNamespace(host.namespace, ["nft", "-f", "-"]), { input }, signal);
    }
    await ping(from.namespace, to.address, { count: 1 }, signal);
    const counts = new Map<string, Count>();
    for (const host of hosts) {
      const list = inNamespace(host.namespace, ["nft", "-j", "list", "counters", "table", ...TABLE.split(" ")]);
      for (const count of parseCounters((await run(list, {}, signal)).stdout)) counts.set(count.name, count);
    }
    return stages.map((stage, index) => {
      const { packets = 0, bytes = 0 } = counts.get(counterName(index)) ?? {};
      return { ...stage, packets, bytes };
    });
  } finally {
    for (const host of hosts) {
      if (!signal.aborted)
        await attempt(inNamespace(host.namespace, ["nft", "delete", "table", ...TABLE.split(" ")]), {}, signal);
    }
  }
}

function planWay(way: Stage["way"], from: Pod, to: Pod, tunnel: Tunnel | null): readonly Stage[] {
  const inner = {
    way,
    source: from.address,
    destination: to.address,
    match: `ip saddr ${from.address} ip daddr ${to.address} icmp type echo-${way}`,
    what: `ICMP echo ${way}`,
  };
  const sent = { host: from.host, direction: "out" } as const;
  const received = { host: to.host, direction: "in" } as const;
  const middle: readonly Stage[] = tunnel
    ? [
        { ...inner, ...sent, device: tunnel.device, hook: "postrouting" },
        { ...outerPacket(way, from.host, to.host, tunnel), ...sent, device: "eth0", hook: "output" },
        { ...outerPacket(way, from.host, to.host, tunnel), ...received, device: "eth0", hook: "input" },
        { ...inner, ...received, device: tunnel.device, hook: "prerouting" },
      ]
    : [
        { ...inner, ...sent, device: "eth0", hook: "postrouting" },
        { ...inner, ...received, device: "eth0", hook: "prerouting" },
      ];
  return [
    { ...inner, ...sent, device: "cni0", direction: "in", hook: "prerouting" },
    ...middle,
    { ...inner, ...received, device: "cni0", direction: "out", hook: "postrouting" },
  ];
}

/**
 * The packet that carries the pods' packet from host to host; by its length, because the daemons have something to ask
 * each other through the tunnel as well.
 */
function outerPacket(
  way: Stage["way"],
  { address: source }: Machine,
  { address: destination }: Machine,
  tunnel: Tunnel,
) {
  const length = UDP_BYTES + (tunnel.hasMac ? VXLAN_AND_ETHERNET_BYTES : 0) + ECHO_BYTES;
  return {
    way,
    source,
    destination,
    match: `ip saddr ${source} ip daddr ${destination} udp dport ${tunnel.udpPort} udp length ${length}`,
    what: `UDP ${tunnel.udpPort}, ${tunnel.content}`,
  };
}

function counterName(index: number): string {
  return `stage${index}`;
}

/** The nft script that counts the stages on this host. It lets every packet pass. */
function formatCounters(stages: readonly Stage[], host: Machine): string {
  const own = [...stages.entries()].filter(([, stage]) => stage.host === host);
  return [
    `add table ${TABLE}`,
    ...own.map(([index]) => `add counter ${TABLE} ${counterName(index)}`),
    ...[...new Set(own.map(([, { hook }]) => hook))].map(
      (hook) => `add chain ${TABLE} ${hook} { type filter hook ${hook} priority 300; policy accept; }`,
    ),
    ...own.map(([index, { hook, direction, device, match }]) => {
      const name = direction === "in" ? "iifname" : "oifname";
      return `add rule ${TABLE} ${hook} ${name} "${device}" ${match} counter name ${counterName(index)}`;
    }),
    "",
  ].join("\n");
}

interface Count {
  readonly name: string;
  readonly packets: number;
  readonly bytes: number;
}

/** What `nft -j list counters` prints. */
export function parseCounters(json: string): readonly Count[] {
  const { nftables } = JSON.parse(json) as { readonly nftables: readonly { readonly counter?: Count }[] };
  return nftables.flatMap(({ counter }) => (counter ? [counter] : []));
}
