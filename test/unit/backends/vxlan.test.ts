import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { NetworkView } from "../../../src/backends/backend.ts";
import { createVxlan } from "../../../src/backends/vxlan.ts";
import { parseIpv4 } from "../../../src/base/ip.ts";
import type { Json } from "../../../src/base/json.ts";
import { systemRandom as random } from "../../../src/base/random.ts";
import {
  BOOT_PROTOCOL,
  FLANNEL_PROTOCOL,
  KERNEL_PROTOCOL,
  keyOf,
  type LinkName,
  type NetObject,
  type VxlanLink,
} from "../../../src/net/objects.ts";
import { leaseOf, networkOf, peerNumber } from "../../support/leases.ts";
import { MARK, PEER_A, SELF, UNDERLAY, vxlanView } from "../../support/vxlan-host.ts";

function device(changes: Partial<VxlanLink> = {}): VxlanLink {
  return {
    kind: "link",
    type: "vxlan",
    name: "flannel.1" as LinkName,
    mtu: 1450,
    up: true,
    mac: "02:00:00:00:00:52" as never,
    vni: 1,
    port: 8472,
    local: UNDERLAY.address,
    lower: UNDERLAY.link,
    learning: false,
    gbp: false,
    external: false,
    checksumOffload: null,
    ...changes,
  };
}

function wanted(options: { readonly [key: string]: Json }, view: NetworkView): readonly NetObject[] {
  return createVxlan(options).plan(view).want;
}

describe("the vxlan plan", () => {
  it("wants the device, its address, and neighbour, FDB entry and onlink route of each peer", () => {
    assert.deepEqual(wanted({}, vxlanView()), [
      device(),
      { kind: "address", dev: "flannel.1", address: "10.5.52.0/32" },
      { kind: "neighbour", dev: "flannel.1", ip: "10.5.20.0", mac: "02:00:00:00:00:20" },
      {
        kind: "route",
        dev: "flannel.1",
        dst: "10.5.20.0/24",
        via: "10.5.20.0",
        onlink: true,
        metric: 0,
        protocol: FLANNEL_PROTOCOL,
      },
      { kind: "fdb", dev: "flannel.1", mac: "02:00:00:00:00:20", dst: "192.168.64.4" },
    ]);
  });

  it("follows VNI, Port, MTU, GBP and Learning of the config", () => {
    const [link] = wanted({ VNI: 7, Port: 4789, MTU: 1300, GBP: true, Learning: true }, vxlanView());
    const changes = { name: "flannel.7" as LinkName, vni: 7, port: 4789, mtu: 1250, gbp: true, learning: true };
    assert.deepEqual(link, device(changes));
  });

  it("wants the checksum offload as Offload says; with auto, and without it, as it was measured", () => {
    const offload = (options: { readonly [key: string]: Json }, measuredOffload: boolean | null) =>
      (wanted(options, vxlanView({ measuredOffload }))[0] as VxlanLink).checksumOffload;
    for (const measured of [null, false, true]) {
      assert.equal(offload({ Offload: "on" }, measured), true);
      assert.equal(offload({ Offload: "off" }, measured), false);
      for (const options of [{}, { Offload: "auto" }, { offload: null }]) {
        assert.equal(offload(options, measured), measured);
      }
    }
  });

  it("names for a measurement the peers behind the tunnel, and only where Offload is auto", () => {
    const far = leaseOf({ subnet: "10.5.30.0/24", publicIp: "172.31.0.4", mac: "02:00:00:00:00:30" });
    const view = vxlanView({ peers: [PEER_A, far] });
    assert.equal(createVxlan({ Offload: "on" }).checksumDuty(view), null);
    assert.equal(createVxlan({ Offload: "off" }).checksumDuty(view), "off");
    assert.deepEqual(createVxlan({ VNI: 7, Port: 4789, DirectRouting: true }).checksumDuty(view), {
      device: "flannel.7",
      mac: "02:00:00:00:00:52",
      address: "10.5.52.0",
      port: 4789,
      underlay: UNDERLAY,
      peers: [{ kind: "neighbour", dev: "flannel.7", ip: "10.5.30.0", mac: "02:00:00:00:00:30" }],
    });
    const all = createVxlan({}).checksumDuty(view);
    assert.deepEqual(typeof all === "object" && all?.peers.map(({ ip }) => ip), ["10.5.20.0", "10.5.30.0"]);
  });

  it("sends from the interface's own address when the public one is behind NAT", () => {
    const [link] = wanted({}, vxlanView({ underlay: { ...UNDERLAY, publicIp: parseIpv4("203.0.113.9") } }));
    assert.equal((link as VxlanLink).local, UNDERLAY.address);
  });

  it("cuts an MTU above the underlay's as the kernel does, so that subnet.env tells the truth", () => {
    assert.equal(createVxlan({ MTU: 9000 }).mtu(UNDERLAY), 1450);
    assert.equal((wanted({ MTU: 9000 }, vxlanView())[0] as VxlanLink).mtu, 1450);
  });

  it("routes directly to peers on the same link with DirectRouting, and through the tunnel to others", () => {
    const far = leaseOf({ subnet: "10.5.30.0/24", publicIp: "172.31.0.4", mac: "02:00:00:00:00:30" });
    const objects = wanted({ DirectRouting: true }, vxlanView({ peers: [PEER_A, far] }));
    const routes = objects.filter((object) => object.kind === "route").map(({ dst, via, dev }) => [dst, via, dev]);
    assert.deepEqual(routes, [
      ["10.5.20.0/24", "192.168.64.4", "eth0"],
      ["10.5.30.0/24", "10.5.30.0", "flannel.1"],
    ]);
  });

  it("gives a MAC that two records announce to the newer one", () => {
    const moved = leaseOf({
      ...{ subnet: "10.5.21.0/24", publicIp: "192.168.64.5" },
      mac: "02:00:00:00:00:20",
      revision: 10,
    });
    for (const peers of [
      [PEER_A, moved],
      [moved, PEER_A],
    ]) {
      const fdb = wanted({}, vxlanView({ peers })).filter((object) => object.kind === "fdb");
      assert.deepEqual(fdb, [{ kind: "fdb", dev: "flannel.1", mac: "02:00:00:00:00:20", dst: "192.168.64.5" }]);
    }
  });

  it("claims everything that it wants, and wants every key once", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 2000 }), { maxLength: 40 }),
        fc.boolean(),
        (numbers, direct) => {
          const network = networkOf({ Network: "10.0.0.0/8" });
          const plan = createVxlan({ DirectRouting: direct }).plan(
            vxlanView({ network, peers: numbers.map(peerNumber) }),
          );
          assert.ok(plan.want.every(plan.claims));
          assert.equal(new Set(plan.want.map(keyOf)).size, plan.want.length);
        },
      ),
    );
  });

  it("hands out the same objects for a peer that has not changed", () => {
    for (const [options, shared] of [
      [{}, 3],
      [{ DirectRouting: true }, 1],
    ] as const) {
      const backend = createVxlan(options);
      const before = new Set(backend.plan(vxlanView()).want);
      const after = backend.plan(vxlanView({ peers: [PEER_A, peerNumber(9)] })).want;
      assert.equal(after.filter((object) => before.has(object)).length, shared);
    }
  });
});

describe("the claims of vxlan", () => {
  const route = (changes: object) =>
    ({
      kind: "route",
      dev: "eth0",
      dst: "10.5.9.0/24",
      via: "192.168.64.9",
      onlink: false,
      metric: 0,
      ...changes,
    }) as NetObject;

  it("are everything on its device but what the kernel put there", () => {
    const { claims } = createVxlan({}).plan(vxlanView());
    assert.ok(claims(route({ dev: "flannel.1", protocol: BOOT_PROTOCOL })));
    assert.ok(!claims(route({ dev: "flannel.1", protocol: KERNEL_PROTOCOL })));
    assert.ok(!claims(device({ name: "flannel.2" as LinkName })));
  });

  it("are what an earlier config has left, whether or not it makes direct routes itself", () => {
    for (const options of [{}, { DirectRouting: true }]) {
      const { claims, scope } = createVxlan(options).plan(vxlanView({ flannelDevices: ["flannel0" as LinkName] }));
      assert.ok(claims(route({ protocol: BOOT_PROTOCOL })));
      assert.ok(claims(route({ dev: "flannel0", protocol: FLANNEL_PROTOCOL })));
      assert.ok(!claims(route({ protocol: BOOT_PROTOCOL, dst: "10.6.9.0/24" })));
      assert.deepEqual(scope.routeDevices, ["eth0", "flannel0"]);
    }
  });
});

describe("what vxlan advertises", () => {
  const advertise = (input: { own?: typeof SELF; links?: readonly VxlanLink[] }) =>
    createVxlan({}).advertise({
      underlay: UNDERLAY,
      links: input.links ?? [],
      mark: MARK,
      own: input.own ?? null,
      random,
    });

  it("keeps the MAC of the host's own record, which every peer has programmed", () => {
    const attrs = advertise({ own: SELF, links: [device({ mac: "02:00:00:00:00:99" as never })] });
    assert.deepEqual(attrs.backendData, { VNI: 1, VtepMAC: "02:00:00:00:00:52" });
  });

  it("else keeps the MAC of the device that is there", () => {
    assert.deepEqual(advertise({ links: [device()] }).backendData, { VNI: 1, VtepMAC: "02:00:00:00:00:52" });
  });

  it("else draws a local unicast MAC", () => {
    const { VtepMAC } = advertise({}).backendData as { readonly VtepMAC: string };
    assert.equal(Number.parseInt(VtepMAC.slice(0, 2), 16) & 3, 2);
  });
});

describe("a peer that vxlan cannot reach", () => {
  const fault = (backendData: Json) =>
    createVxlan({}).peerFault(leaseOf({ subnet: "10.5.9.0/24", publicIp: "192.168.64.9", backendData }), {
      self: SELF,
      underlay: UNDERLAY,
    });

  it("announces no MAC, or none that a host can have", () => {
    for (const data of [
      { VNI: 1 },
      "text",
      [],
      { VtepMAC: "nonsense" },
      { VtepMAC: "01:00:5e:00:00:01" },
      { VtepMAC: "00:00:00:00:00:00" },
    ]) {
      assert.match(fault(data) ?? "", /no usable VtepMAC/);
    }
  });

  it("announces our own MAC", () => {
    assert.match(fault({ VtepMAC: "02:00:00:00:00:52" }) ?? "", /our own/);
  });

  it("is none that spells its members in another case or leaves out the VNI", () => {
    assert.equal(fault({ vtepmac: "02:00:00:00:00:09" }), null);
  });
});

describe("a vxlan device of somebody else", () => {
  const conflict = (link: VxlanLink, options = {}) =>
    createVxlan(options).unsuitable({ underlay: UNDERLAY, links: [link], mark: MARK });
  const other = (changes: Partial<VxlanLink>) => device({ name: "vx0" as LinkName, ...changes });

  it("with our VNI and port is in the way, and named", () => {
    assert.match(conflict(other({ up: false })) ?? "", /vx0 already has VNI 1 on UDP port 8472/);
  });

  it("that takes every VNI of our port is in the way, and named", () => {
    assert.match(conflict(other({ vni: 0, external: true })) ?? "", /UDP port 8472 is taken by the vxlan device vx0/);
  });

  it("with another VNI shares the port", () => {
    assert.equal(conflict(other({ vni: 2 })), null);
  });

  it("on another port is no matter, nor is our own device", () => {
    assert.equal(conflict(other({ port: 4789 })), null);
    assert.equal(conflict(device()), null);
  });
});

describe("the options of vxlan", () => {
  it("are refused with their path when they are out of range or of another type", () => {
    assert.throws(() => createVxlan({ VNI: 0 }), /\$\.Backend\.VNI/);
    assert.throws(() => createVxlan({ VNI: 16_777_216 }), /\$\.Backend\.VNI/);
    assert.throws(() => createVxlan({ Port: 65_536 }), /\$\.Backend\.Port/);
    assert.throws(() => createVxlan({ MTU: 60 }), /\$\.Backend\.MTU/);
    assert.throws(() => createVxlan({ GBP: "yes" }), /\$\.Backend\.GBP/);
    assert.throws(() => createVxlan({ Offload: true }), /\$\.Backend\.Offload/);
    assert.throws(() => createVxlan({ Offload: "never" }), /\$\.Backend\.Offload: must be one of auto, on, off/);
  });
});
