// The neighbour table, and what the network card does by itself.

import { byCommand } from "../base/remedy.ts";
import type { Facts } from "./facts.ts";
import { type Finding, ok, skip, warn } from "./finding.ts";

const TOO_FULL = 0.8;

export function checkNeighbours({ neighbours, store }: Facts): Finding {
  if (!neighbours.known) return skip(`how full the neighbour table is was not looked at: ${neighbours.reason}`);
  const hosts = store.known ? store.value.list.leases.length : 0;
  const { entries, limit } = neighbours.value;
  if (entries >= limit * TOO_FULL || hosts > limit) {
    const enough = Math.max(4096, 2 * Math.max(entries, hosts));
    return warn(
      `the neighbour table has ${entries} of ${limit} entries, and ${hosts} hosts have a lease`,
      byCommand(
        `sysctl -w net.ipv4.neigh.default.gc_thresh3=${enough} net.ipv4.neigh.default.gc_thresh2=${enough / 2}`,
      ),
    );
  }
  return ok(`the neighbour table has ${entries} of ${limit} entries`);
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
