// The neighbour table, and what the network card does by itself.

import { NO_IPV4, prefix4Contains } from "../base/ip.ts";
import { byCommand } from "../base/remedy.ts";
import { hasIpv4, type Lease } from "../subnet/lease.ts";
import type { Facts } from "./facts.ts";
import { type Finding, ok, skip, warn } from "./finding.ts";
import { ownDevices } from "./interface-checks.ts";

const TOO_FULL = 0.8;

export function checkNeighbours(facts: Facts): Finding {
  const { neighbours, store, underlay } = facts;
  if (!neighbours.known) return skip(`how full the neighbour table is was not looked at: ${neighbours.reason}`);
  const leases = store.known ? store.value.list.leases : [];
  const { limit } = neighbours.value;
  const entries = Math.max(0, neighbours.value.entries - countPermanent(facts, leases));
  // Those behind a router need no entry of their own here.
  const onLink = underlay.known ? underlay.value.onLink : [];
  const hosts = leases.filter(
    ({ attrs: { publicIp } }) => publicIp !== NO_IPV4 && onLink.some((prefix) => prefix4Contains(prefix, publicIp)),
  ).length;
  if (entries >= limit * TOO_FULL || hosts > limit) {
    const enough = Math.max(4096, 2 * Math.max(entries, hosts));
    return warn(
      `the neighbour table has ${entries} of ${limit} entries, and ${hosts} hosts with a lease are on this link`,
      byCommand(
        `sysctl -w net.ipv4.neigh.default.gc_thresh3=${enough} net.ipv4.neigh.default.gc_thresh2=${enough / 2}`,
      ),
    );
  }
  return ok(`the neighbour table has ${entries} of ${limit} entries`);
}

/** Kernel: since 5.0 permanent entries, as vxlan's device has one for each peer, do not count against the limit. */
function countPermanent(facts: Facts, leases: readonly Lease[]): number {
  const isThere = ownDevices(facts).some(({ link, families }) => link.type === "vxlan" && families.includes("ipv4"));
  return isThere ? leases.filter(({ subnet }) => hasIpv4(subnet)).length : 0;
}

/** Only what is switched on: whether the card does it right shows in transfers alone. */
export function checkOffload({ offload, underlay, backends }: Facts): Finding {
  if (!offload.known) return skip(`checksum offload was not looked at: ${offload.reason}`);
  const dev = underlay.known ? underlay.value.link : "the interface";
  if (!backends.some(({ backend }) => backend.type === "vxlan"))
    return ok("the backend leaves checksums to the kernel");
  const isOn = Object.entries(offload.value).filter(([, on]) => on);
  const names = isOn.map(([name]) => name).filter((name) => /^tx-(checksum-ip|udp_tnl-segm)/.test(name));
  if (names.length === 0) return ok(`${dev} leaves checksums to the kernel`);
  return ok(
    `${dev} fills in checksums itself (${names.join(", ")}); if pings work and transfers hang, try: ethtool -K ${dev} tx-checksum-ip-generic off`,
  );
}
