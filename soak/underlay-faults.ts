// What can happen to the interface under the overlay. The pings between the hosts end, too, while it lasts.

import { millis, seconds } from "../src/base/brand.ts";
import type { Fault, Undo } from "./fault.ts";
import { onHost, onSwitch } from "./host-shell.ts";
import type { SoakHost, World } from "./world.ts";

/** The lines end with what a network manager does, too. */
interface Change {
  readonly inject: readonly string[];
  readonly undo: readonly string[];
}

type Where = (world: World, host: SoakHost, line: string, signal: AbortSignal) => Promise<string>;

const BREAKS: Pick<Fault, "kind" | "mayLose" | "recovery"> = {
  kind: "underlay",
  mayLose: () => seconds(1),
  recovery: seconds(60),
};

function change({ inject, undo }: Change, where: Where = onHost): Fault["inject"] {
  return async (world, victim, signal): Promise<Undo> => {
    await where(world, victim, inject.join(" && "), signal);
    return async (signal) => void (await where(world, victim, undo.join(" && "), signal));
  };
}

const DEFAULT_ROUTE = "ip route replace default via $GATEWAY";
const ADDRESS = "ip addr replace $OWN_IP/24 dev eth0";

export const UNDERLAY_FAULTS: readonly Fault[] = [
  {
    ...BREAKS,
    name: "link-down",
    summary: "eth0 is set down, and up again",
    lasts: [millis(0), seconds(5)],
    inject: change({ inject: ["ip link set eth0 down"], undo: ["ip link set eth0 up", DEFAULT_ROUTE] }),
  },
  {
    ...BREAKS,
    name: "cable-out",
    summary: "the cable is out, and in again",
    lasts: [seconds(0.5), seconds(8)],
    inject: change({ inject: ["ip link set $PORT down"], undo: ["ip link set $PORT up"] }, onSwitch),
  },
  {
    ...BREAKS,
    name: "link-recreated",
    summary: "eth0 is deleted, and made anew with another index and MAC",
    lasts: [millis(0), seconds(4)],
    async inject(world, victim, signal) {
      await onHost(world, victim, "ip link del eth0", signal);
      return async (signal) => {
        const pair = "ip link add $PORT type veth peer name eth0 netns $NAMESPACE";
        await onSwitch(world, victim, `${pair} && ip link set $PORT master br0 && ip link set $PORT up`, signal);
        await onHost(world, victim, `${ADDRESS} && ip link set eth0 up && ${DEFAULT_ROUTE}`, signal);
      };
    },
  },
  {
    ...BREAKS,
    name: "link-mac",
    summary: "eth0 gets another MAC, as in a failover, and the first again",
    lasts: [seconds(1), seconds(5)],
    async inject(world, victim, signal) {
      const mac = (await onHost(world, victim, "cat /sys/class/net/eth0/address", signal)).trim();
      await onHost(world, victim, "ip link set eth0 address 02:00:00:00:08:01", signal);
      return async (signal) => void (await onHost(world, victim, `ip link set eth0 address ${mac}`, signal));
    },
  },
  {
    ...BREAKS,
    name: "link-mtu",
    summary: "eth0 gets an MTU of 1400, and 1500 again",
    lasts: [seconds(2), seconds(6)],
    // A second until it is believed; then udp takes hold of its device anew.
    mayLose: (backend) => (backend === "udp" ? seconds(3) : null),
    inject: change({ inject: ["ip link set eth0 mtu 1400"], undo: ["ip link set eth0 mtu 1500"] }),
  },
  {
    ...BREAKS,
    name: "address-lost",
    summary: "eth0 loses its address, as when a lease of DHCP ends, and has it again",
    lasts: [millis(0), seconds(5)],
    inject: change({ inject: ["ip addr del $OWN_IP/24 dev eth0"], undo: [ADDRESS, DEFAULT_ROUTE] }),
  },
  {
    ...BREAKS,
    name: "address-changed",
    summary: "eth0 gets another address, which peers follow, and the first again",
    lasts: [seconds(16), seconds(20)],
    // A second until it is believed, and some tenths until peers have heard; the rest is for a machine that is busy.
    mayLose: () => seconds(15),
    mendedMeanwhile: true,
    inject: change({
      inject: [`ip addr add $NEW_IP/24 dev eth0`, "ip addr del $OWN_IP/24 dev eth0", ...settle("$NEW_IP")],
      undo: [`ip addr add $OWN_IP/24 dev eth0`, "ip addr del $NEW_IP/24 dev eth0", ...settle("$OWN_IP")],
    }),
  },
  {
    ...BREAKS,
    name: "default-route-lost",
    summary: "the default route is deleted, and is there again",
    lasts: [seconds(0.5), seconds(4)],
    mayLose: () => null,
    inject: change({ inject: ["ip route del default"], undo: [DEFAULT_ROUTE] }),
  },
];

/** Kernel: the second address of a network goes with the first, unless promote_secondaries is set. */
function settle(ip: string): readonly string[] {
  return [`ip addr replace ${ip}/24 dev eth0`, DEFAULT_ROUTE];
}
