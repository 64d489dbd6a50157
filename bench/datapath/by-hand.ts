// A backend's kernel objects, made with ip(8) and bridge(8) and by no daemon: the baseline. Planning is pure.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../lab/run.ts";
import { ipBatch, type Machine } from "../../lab/topology.ts";

/** What is needed to know of one host, to write its own lines and those of the other. */
export interface Site {
  /** On the underlay. */
  readonly address: string;
  /** The first three bytes of its /24. */
  readonly subnet: string;
  readonly mac: string;
}

export interface HandMade {
  readonly ip: readonly string[];
  readonly bridge: readonly string[];
  /** For the CNI plugins, which find everything there. */
  readonly subnetEnv: string;
}

const NETWORK = "10.5.0.0/16";
const UNDERLAY_MTU = 1500;
const VXLAN_OVERHEAD = 50;

export function planByHand(backend: "host-gw" | "vxlan", self: Site, other: Site): HandMade {
  const mtu = backend === "vxlan" ? UNDERLAY_MTU - VXLAN_OVERHEAD : UNDERLAY_MTU;
  const subnetEnv = `FLANNEL_NETWORK=${NETWORK}\nFLANNEL_SUBNET=${self.subnet}.1/24\nFLANNEL_MTU=${mtu}\n`;
  switch (backend) {
    case "host-gw":
      return { ip: [`route add ${other.subnet}.0/24 via ${other.address} dev eth0`], bridge: [], subnetEnv };
    case "vxlan":
      return { ...planVxlan(self, other, mtu), subnetEnv };
  }
}

function planVxlan(self: Site, other: Site, mtu: number): Omit<HandMade, "subnetEnv"> {
  const gateway = `${other.subnet}.0`;
  const device = `type vxlan id 1 local ${self.address} dev eth0 dstport 8472 nolearning`;
  return {
    ip: [
      `link add flannel.1 address ${self.mac} mtu ${mtu} ${device}`,
      `addr add ${self.subnet}.0/32 dev flannel.1`,
      "link set flannel.1 up",
      `neigh add ${gateway} lladdr ${other.mac} dev flannel.1 nud permanent`,
      `route add ${gateway}/24 via ${gateway} dev flannel.1 onlink`,
    ],
    bridge: [`fdb add ${other.mac} dst ${other.address} dev flannel.1 self permanent`],
  };
}

/** Returns the paths of the subnet files, in the order of the hosts. */
export async function connectByHand(
  backend: "host-gw" | "vxlan",
  hosts: readonly [Machine, Machine],
  signal: AbortSignal,
): Promise<readonly [string, string]> {
  const [first, second] = hosts;
  const sites: readonly [Site, Site] = [
    { address: first.address, subnet: "10.5.1", mac: "02:42:0a:05:01:00" },
    { address: second.address, subnet: "10.5.2", mac: "02:42:0a:05:02:00" },
  ];
  return [
    await apply(first, planByHand(backend, sites[0], sites[1]), signal),
    await apply(second, planByHand(backend, sites[1], sites[0]), signal),
  ];
}

async function apply(host: Machine, plan: HandMade, signal: AbortSignal): Promise<string> {
  const subnetFile = join(host.directory, "subnet.env");
  writeFileSync(subnetFile, plan.subnetEnv);
  await ipBatch(host.namespace, plan.ip, signal);
  if (plan.bridge.length > 0) {
    await run(["bridge", "-n", host.namespace, "-batch", "-"], { input: `${plan.bridge.join("\n")}\n` }, signal);
  }
  return subnetFile;
}
