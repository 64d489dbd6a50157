// What somebody can do to the tunnel's device on a host, and to all that flanneld has made there at once. flanneld hears of
// it from the kernel, and has it back within a second.

import { millis, seconds } from "../src/base/brand.ts";
import { type Fault, nothing, type Undo } from "./fault.ts";
import { onHost } from "./host-shell.ts";

/** By backend, a line for a shell on the host; a fault of which a backend has none cannot happen with it. */
export type Lines = Readonly<Record<string, string>>;

type Cost = Pick<Fault, "mayLose" | "recovery"> & Partial<Pick<Fault, "lasts" | "mendedMeanwhile">>;

const AT_ONCE = [millis(0), millis(0)] as const;
/** Most of it is for the look at everything: what packets need is back within `mayLose`. */
const RECOVERY = seconds(20);

/** Packets need what it takes away. */
export const TAKES_AWAY: Cost = { mayLose: () => seconds(1), mendedMeanwhile: true, recovery: RECOVERY };
/** No packet needs what it changes. */
export const SPARES: Cost = { mayLose: () => null, recovery: RECOVERY };

/** Somebody types the line, and `undo` when it is over. */
export function tamper(name: string, summary: string, lines: Lines, cost: Cost, undo?: string): Fault {
  return {
    lasts: AT_ONCE,
    ...cost,
    name,
    kind: "kernel",
    summary,
    backends: Object.keys(lines),
    async inject(world, victim, signal): Promise<Undo> {
      await onHost(world, victim, lines[world.backend] ?? "", signal);
      if (undo === undefined) return nothing;
      return async (signal) => void (await onHost(world, victim, undo, signal));
    },
  };
}

/** The same for every backend that has a device. */
function onDevice(line: string): Lines {
  return { vxlan: line, udp: line };
}

const RENAME = "ip link set $DEV down && ip link set $DEV name gone0";

export const KERNEL_FAULTS: readonly Fault[] = [
  tamper("device-deleted", "the tunnel's device is deleted", onDevice("ip link del $DEV"), TAKES_AWAY),
  tamper("device-down", "the tunnel's device is set down", onDevice("ip link set $DEV down"), TAKES_AWAY),
  tamper("device-mtu", "the tunnel's device gets another MTU", onDevice("ip link set $DEV mtu 1300"), SPARES),
  tamper(
    "device-mac",
    "the tunnel's device gets another MAC",
    { vxlan: "ip link set $DEV address 02:00:00:00:09:0b" },
    TAKES_AWAY,
  ),
  tamper(
    "device-alias",
    "what says whose the tunnel's device is, is overwritten",
    { udp: "ip link set $DEV alias other" },
    SPARES,
  ),
  tamper(
    "device-renamed",
    "the tunnel's device gets another name, and with udp another mark; what is left of it then is deleted",
    { vxlan: RENAME, udp: `${RENAME} && ip link set gone0 alias other` },
    { ...TAKES_AWAY, lasts: [seconds(2), seconds(4)] },
    "ip link del gone0 2>/dev/null || true",
  ),
  tamper(
    "device-enslaved",
    "the tunnel's device is put into a bridge that is down; then that is deleted",
    { vxlan: "ip link add foreign0 type bridge && ip link set $DEV master foreign0" },
    { ...TAKES_AWAY, lasts: [seconds(2), seconds(4)] },
    "ip link del foreign0",
  ),
  tamper("address-flushed", "the device's address is deleted", onDevice("ip addr flush dev $DEV"), TAKES_AWAY),
  tamper("address-added", "the device gets a second address", onDevice("ip addr add 10.9.9.9/24 dev $DEV"), SPARES),
  tamper(
    "everything-flushed",
    "routes, neighbours, address and forwarding entries of the device are deleted",
    {
      vxlan: [
        "ip route flush proto 70",
        "ip neigh flush dev $DEV nud permanent",
        "ip addr flush dev $DEV",
        'for mac in $(bridge fdb show dev $DEV | cut -d" " -f1); do bridge fdb del $mac dev $DEV; done',
      ].join(" && "),
    },
    TAKES_AWAY,
  ),
];
