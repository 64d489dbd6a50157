import type { IfAddr, Ip, Prefix4 } from "../../../src/base/ip.ts";
import type { Prefix6 } from "../../../src/base/ipv6.ts";
import { BOOT_PROTOCOL, IPV6_METRIC, type LinkName, type NetObject } from "../../../src/net/objects.ts";
import { kernelNetContract } from "../../contract/kernel-net.ts";
import { createFakeKernel } from "../../fakes/fake-kernel.ts";

const UNDERLAY = "und0" as LinkName;

const INITIAL: readonly NetObject[] = [
  { kind: "link", type: "other", name: UNDERLAY, mtu: 1500, up: true, mac: null, driver: "veth" },
  { kind: "address", dev: UNDERLAY, address: "192.168.77.1/24" as IfAddr },
  { kind: "address", dev: UNDERLAY, address: "fd77::1/64" as IfAddr },
  {
    kind: "route",
    dev: UNDERLAY,
    dst: "0.0.0.0/0" as Prefix4,
    via: "192.168.77.254" as Ip,
    onlink: false,
    metric: 0,
    protocol: BOOT_PROTOCOL,
  },
  {
    kind: "route",
    dev: UNDERLAY,
    dst: "::/0" as Prefix6,
    via: "fd77::fe" as Ip,
    onlink: false,
    metric: IPV6_METRIC,
    protocol: BOOT_PROTOCOL,
  },
];

kernelNetContract("the fake", async () => {
  const kernel = createFakeKernel(INITIAL);
  return {
    kernel,
    underlay: UNDERLAY,
    externally: async (ops) => kernel.externally(ops),
    setUp: async (dev, up) => kernel.setUp(dev, up),
    appendRoute: async (route) => kernel.appendRoute(route),
    addTun: async (object) => kernel.externally([{ op: "create", object }]),
    [Symbol.asyncDispose]: async () => {},
  };
});
