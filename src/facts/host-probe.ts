// HostProbe on /proc, the kernel, and the tools that administrators have.

import { systemRandom } from "../base/random.ts";
import { known, unknown } from "../check/facts.ts";
import type { HostProbe } from "../check/host-probe.ts";
import type { NativeAddon } from "../native/native.ts";
import { openConnection } from "../netlink/connection.ts";
import { supportsVxlan } from "../netlink/device-support.ts";
import { udpPortHolder } from "../netlink/udp-port-holder.ts";
import { readNodeId } from "../node-id.ts";
import { openStateDirectory, readMachineId } from "../state-directory.ts";
import { parsePreviousMtu, parsePreviousSubnet, parsePreviousSubnet6, readSubnetFile } from "../subnet/subnet-file.ts";
import { parseFeatures } from "./ethtool.ts";
import { firstLine, readRules, runBriefly } from "./firewall-rules.ts";
import { readForwardedWay } from "./forwarded-way.ts";
import { placeOf } from "./other-root.ts";
import {
  isOfThisBoot,
  readCarriedDevices,
  readDaemons,
  readReversePathDrops,
  readRoutes,
  readRoutes6,
  readUser,
  tryTun,
} from "./proc.ts";
import { readSysctls } from "./sysctls.ts";

export function openHostProbe(native: NativeAddon): HostProbe {
  const connection = openConnection(native);
  return {
    user: readUser,
    daemons: readDaemons,
    carriedDevices: readCarriedDevices,
    vxlan() {
      const supported = supportsVxlan(connection);
      return supported === null ? unknown("only root may ask the kernel") : known(supported);
    },
    tun: tryTun,
    sysctls: readSysctls,
    reversePathDrops: readReversePathDrops,
    routes: readRoutes,
    routes6: readRoutes6,
    forwardedWay: readForwardedWay,
    portHolder: (port) => udpPortHolder(port, "ipv4") ?? udpPortHolder(port, "ipv6"),
    rules: readRules,
    offload: async (dev, signal) => {
      const result = await runBriefly(["ethtool", "-k", dev], signal);
      if (result.kind === "missing") return unknown("there is no ethtool here");
      if (result.status !== 0) return unknown(firstLine(result.stderr));
      return known(parseFeatures(result.stdout));
    },
    placeOf,
    async subnetFile(path) {
      const text = await readSubnetFile(path).catch(() => null);
      if (text === null) return { subnet: null, subnet6: null, mtu: null, isOfThisBoot: false };
      const [v4, v6] = [parsePreviousSubnet(text), parsePreviousSubnet6(text)];
      return {
        subnet: v4.kind === "found" ? v4.subnet : null,
        subnet6: v6.kind === "found" ? v6.subnet : null,
        mtu: parsePreviousMtu(text),
        isOfThisBoot: await isOfThisBoot(path),
      };
    },
    nodeId: async (path, root) => {
      const state = openStateDirectory(path, { random: systemRandom });
      return await readNodeId({ state, readMachineId: () => readMachineId(root) });
    },
    [Symbol.dispose]: () => connection[Symbol.dispose](),
  };
}
