// HostProbe of a host on which all is well, until a test says otherwise.

import { known, unknown } from "../../src/check/facts.ts";
import type { HostProbe } from "../../src/check/host-probe.ts";

export interface FakeHost extends HostProbe {
  /** In place of its answers. */
  readonly answers: Partial<HostProbe>;
}

const SYSCTLS: Readonly<Record<string, string>> = {
  "net.ipv4.ip_forward": "1",
  "net.ipv4.conf.all.rp_filter": "0",
};

export function createFakeHost(): FakeHost {
  const answers: { -readonly [Name in keyof HostProbe]?: HostProbe[Name] } = {};
  const well: HostProbe = {
    user: async () => ({ isRoot: true, netAdmin: true, netRaw: true }),
    daemons: async () => known([]),
    carriedDevices: async () => [],
    vxlan: () => known(true),
    tun: async () => known(null),
    sysctls: async (names) =>
      Object.fromEntries(names.flatMap((name) => (SYSCTLS[name] ? [[name, SYSCTLS[name]]] : []))),
    reversePathDrops: async () => 0,
    routes: async () => [],
    routes6: async () => [],
    forwardedWay: async () => unknown("nobody asks here"),
    portHolder: () => null,
    rules: async () => known({ iptables: {}, nftables: null }),
    offload: async () => known({}),
    placeOf: async (path, root) => `${root}${path}`,
    subnetFile: async () => ({ subnet: null, subnet6: null, mtu: null, isOfThisBoot: false }),
    nodeId: async () => null,
    [Symbol.dispose]: () => {},
  };
  const now = () => ({ ...well, ...answers });
  return {
    answers,
    user: () => now().user(),
    daemons: () => now().daemons(),
    carriedDevices: () => now().carriedDevices(),
    vxlan: () => now().vxlan(),
    tun: () => now().tun(),
    sysctls: (names) => now().sysctls(names),
    reversePathDrops: () => now().reversePathDrops(),
    routes: async (keeps = () => true) => (await now().routes()).filter(keeps),
    routes6: () => now().routes6(),
    forwardedWay: (packet, signal) => now().forwardedWay(packet, signal),
    portHolder: (port) => now().portHolder(port),
    rules: (families, signal) => now().rules(families, signal),
    offload: (dev, signal) => now().offload(dev, signal),
    placeOf: (path, root) => now().placeOf(path, root),
    subnetFile: (path) => now().subnetFile(path),
    nodeId: (path, root) => now().nodeId(path, root),
    [Symbol.dispose]: () => {},
  };
}
