import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { claimEarlierRoutes, flannelDevices } from "../../../src/backends/earlier-routes.ts";
import {
  BOOT_PROTOCOL,
  FLANNEL_PROTOCOL,
  KERNEL_PROTOCOL,
  type Link,
  type LinkName,
  type Route,
} from "../../../src/net/objects.ts";
import { MARK, NETWORK, routeVia, SELF, underlayAt } from "../../support/vxlan-host.ts";

const claims = claimEarlierRoutes({
  network: NETWORK,
  underlay: underlayAt("192.168.64.2"),
  mark: MARK,
  device: null,
  flannelDevices: ["flannel.1" as LinkName, "flannel0" as LinkName],
  formerUnderlays: [],
  self: SELF,
  peers: [],
  complete: true,
  measuredOffload: null,
});
const route = (changes: object) => claims({ ...routeVia("192.168.64.9", "10.5.9.0/24"), ...changes } as Route);

describe("routes that an earlier config has left", () => {
  it("through the underlay are ours by our protocol number, whatever their length", () => {
    assert.ok(route({ protocol: FLANNEL_PROTOCOL }));
    assert.ok(route({ protocol: FLANNEL_PROTOCOL, dst: "10.5.9.0/26" }));
  });

  it("through the underlay are the Go daemon's when they lead to exactly one subnet by a gateway", () => {
    assert.ok(route({ protocol: BOOT_PROTOCOL }));
    assert.ok(!route({ protocol: BOOT_PROTOCOL, dst: "10.5.9.0/26" }));
    assert.ok(!route({ protocol: BOOT_PROTOCOL, dst: "10.5.0.0/16" }));
    assert.ok(!route({ protocol: BOOT_PROTOCOL, via: null }));
  });

  it("through a device of another backend are ours up to the whole network", () => {
    for (const protocol of [FLANNEL_PROTOCOL, BOOT_PROTOCOL]) {
      assert.ok(route({ dev: "flannel.1", via: "10.5.9.0", onlink: true, protocol }));
      assert.ok(route({ dev: "flannel0", via: null, dst: "10.5.0.0/16", protocol }));
    }
  });

  it("are not those outside the network, of other protocols or through other devices", () => {
    for (const dev of ["eth0", "flannel.1"]) {
      assert.ok(!route({ dev, protocol: FLANNEL_PROTOCOL, dst: "10.6.9.0/24" }));
      assert.ok(!route({ dev, protocol: FLANNEL_PROTOCOL, dst: "10.0.0.0/8" }));
      assert.ok(!route({ dev, protocol: KERNEL_PROTOCOL }));
      assert.ok(!route({ dev, protocol: 4 }));
    }
    assert.ok(!route({ dev: "eth1", protocol: FLANNEL_PROTOCOL }));
    assert.ok(!route({ dev: "cni0", via: null, protocol: BOOT_PROTOCOL }));
  });
});

describe("flannelDevices", () => {
  const link = (name: string, driver: string | null): Link => ({
    kind: "link",
    type: "other",
    name: name as LinkName,
    mtu: 1500,
    up: true,
    mac: null,
    driver,
  });

  it("finds the devices of every backend by name and driver, and nobody else's", () => {
    const vxlan: Link = {
      ...{ kind: "link", type: "vxlan", mtu: 1450, up: true, mac: null, vni: 7, port: 8472 },
      ...{ local: null, lower: null, learning: false, gbp: false, external: false, checksumOffload: true },
      name: "flannel.7" as LinkName,
    } as const;
    const ours = [vxlan, link("flannel0", "tun"), link("flannel.ipip", "ipip"), link("flannel-wg", "wireguard")];
    const others = [
      { ...vxlan, name: "vx0" as LinkName },
      link("flannel.1", "bridge"),
      link("flannel1", "veth"),
      link("tun0", "tun"),
      link("eth0", null),
    ];
    assert.deepEqual(
      flannelDevices([...others, ...ours]),
      ours.map(({ name }) => name),
    );
  });
});
