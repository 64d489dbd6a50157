import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createBackend } from "../../../src/backends/registry.ts";
import { createUdp } from "../../../src/backends/udp.ts";
import type { Userspace } from "../../../src/backends/userspace.ts";
import { DATAPATH_FEATURES } from "../../../src/base/datapath.ts";
import { parseIpv4 } from "../../../src/base/ip.ts";
import type { Json } from "../../../src/base/json.ts";
import { systemRandom as random } from "../../../src/base/random.ts";
import { diff } from "../../../src/net/diff.ts";
import {
  BOOT_PROTOCOL,
  FLANNEL_PROTOCOL,
  KERNEL_PROTOCOL,
  keyOf,
  type Link,
  type LinkName,
  type NetObject,
  type RouteProtocol,
} from "../../../src/net/objects.ts";
import { encodeLeaseAttrs } from "../../../src/subnet/lease-codec.ts";
import { networkOf, peerNumber } from "../../support/leases.ts";
import {
  FLANNEL0,
  UDP_PEER as PEER,
  UDP_SELF as SELF,
  tunDevice,
  UDP_UNDERLAY as UNDERLAY,
  udpLease,
  udpView,
} from "../../support/udp-host.ts";
import { MARK, routeVia } from "../../support/vxlan-host.ts";

const ADDRESS = { kind: "address", dev: FLANNEL0, address: "10.5.52.0/32" } as NetObject;
const ROUTE = { ...routeVia("", "10.5.0.0/16"), dev: FLANNEL0, via: null, protocol: FLANNEL_PROTOCOL } as NetObject;

function userspace(options: { readonly [key: string]: Json } = {}): Userspace {
  const { userspace } = createUdp(options);
  assert.ok(userspace);
  return userspace;
}

describe("the udp plan", () => {
  it("wants a persistent TUN device with our mark, its address, and one route for the whole network", () => {
    assert.deepEqual(createUdp({}).plan(udpView()).want, [tunDevice(), ADDRESS, ROUTE]);
  });

  it("is the same whoever the peers are: they leave no trace in the kernel", () => {
    const { plan } = createUdp({});
    assert.deepEqual(plan(udpView({ peers: [1, 2, 3].map(peerNumber) })).want, plan(udpView({ peers: [] })).want);
  });

  it("names the device that was chosen at the start", () => {
    const device = "flannel7" as LinkName;
    const plan = createUdp({}).plan(udpView({ device }));
    assert.deepEqual(
      plan.want.map((object) => (object.kind === "link" ? object.name : "dev" in object && object.dev)),
      [device, device, device],
    );
    assert.deepEqual(plan.scope.devices, [device]);
  });

  it("claims everything that it wants, and wants every key once", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 2000 }), { maxLength: 40 }),
        fc.nat(20),
        fc.option(fc.integer({ min: 96, max: 9000 })),
        fc.boolean(),
        (numbers, device, MTU, complete) => {
          const view = udpView({
            network: networkOf({ Network: "10.0.0.0/8" }),
            peers: numbers.map(peerNumber),
            device: `flannel${device}` as LinkName,
            complete,
          });
          const plan = createUdp(MTU === null ? {} : { MTU }).plan(view);
          assert.ok(plan.want.every(plan.claims));
          assert.equal(new Set(plan.want.map(keyOf)).size, plan.want.length);
          assert.deepEqual(diff(plan, plan.want).ops, []);
        },
      ),
    );
  });

  it("claims all on its device but what the kernel put there, and the device unless it has another network's mark", () => {
    const { claims } = createUdp({}).plan(udpView());
    for (const protocol of [FLANNEL_PROTOCOL, BOOT_PROTOCOL, 4 as RouteProtocol]) {
      assert.ok(claims({ ...ROUTE, dst: "10.5.9.0/24", protocol } as NetObject));
    }
    assert.ok(!claims({ ...ROUTE, protocol: KERNEL_PROTOCOL } as NetObject));
    assert.ok(claims({ ...ADDRESS, address: "192.168.1.1/24" } as NetObject));
    assert.ok(claims(tunDevice({ multiQueue: true, alias: "a remark" })));
    assert.ok(!claims(tunDevice({ persistent: false, alias: null })));
    assert.ok(!claims(tunDevice({ alias: "flanneld /other/network" })));
  });

  it("leaves other devices, their addresses and other people's routes alone", () => {
    const { claims } = createUdp({}).plan(udpView({ flannelDevices: ["flannel1" as LinkName] }));
    assert.ok(!claims(tunDevice({ name: "flannel1" as LinkName })));
    assert.ok(!claims({ ...ADDRESS, dev: "flannel1" } as NetObject));
    assert.ok(!claims({ ...ADDRESS, dev: "eth0" } as NetObject));
    assert.ok(!claims(routeVia("192.168.64.1", "0.0.0.0/0")));
    assert.ok(!claims({ ...ROUTE, dev: "tun9", protocol: FLANNEL_PROTOCOL } as NetObject));
  });

  it("replaces or deletes what another backend or a Go daemon has left in the network", () => {
    const view = udpView({ flannelDevices: ["flannel.1", "flannel1"] as LinkName[] });
    const plan = createUdp({}).plan(view);
    const held = plan.want.slice(0, 2);
    const ofGo = { ...ROUTE, dev: "flannel1", protocol: BOOT_PROTOCOL } as NetObject;
    assert.deepEqual(diff(plan, [...held, ofGo]).ops, [{ op: "replace", object: ROUTE, previous: ofGo }]);
    const ofVxlan = { ...routeVia("10.5.20.0", "10.5.20.0/24"), dev: "flannel.1", onlink: true } as NetObject;
    assert.deepEqual(diff(plan, [...plan.want, ofVxlan]).ops, [{ op: "delete", object: ofVxlan }]);
    const ofHostGw = { ...routeVia("192.168.64.4", "10.5.20.0/24"), protocol: FLANNEL_PROTOCOL };
    assert.deepEqual(diff(plan, [...plan.want, ofHostGw]).ops, [{ op: "delete", object: ofHostGw }]);
    assert.deepEqual(plan.scope.routeDevices, ["eth0", "flannel.1", "flannel1"]);
  });

  it("deletes nothing while the peers are not all known", () => {
    const plan = createUdp({}).plan(udpView({ complete: false }));
    assert.deepEqual(diff(plan, [...plan.want, { ...ADDRESS, address: "10.5.1.0/32" } as NetObject]).ops, []);
  });

  it("cannot be made without a device", () => {
    assert.throws(() => createUdp({}).plan(udpView({ device: null })), /no device/);
  });
});

describe("the device of udp", () => {
  const choose = (...links: readonly Link[]) => createUdp({}).device({ underlay: UNDERLAY, links, mark: MARK });
  const named = (name: string, changes: object = {}) => tunDevice({ name: name as LinkName, ...changes });

  it("is flannel0, or the first after it whose name nobody has, as with the Go daemon", () => {
    assert.equal(choose(), "flannel0");
    assert.equal(choose(named("flannel0", { alias: null })), "flannel1");
    assert.equal(choose(named("flannel1", { alias: null })), "flannel0");
    const other: Link = { kind: "link", type: "other", name: FLANNEL0, mtu: 1500, up: true, mac: null, driver: "veth" };
    assert.equal(choose(other, named("flannel1", { alias: "flanneld /other" })), "flannel2");
  });

  it("is the one that this network had before, found by its mark", () => {
    assert.equal(choose(named("flannel0", { alias: null }), named("flannel3")), "flannel3");
    assert.equal(choose(named("flannel0", { up: false, mtu: 9 })), "flannel0");
  });

  it("is not another network's, one with our mark that goes with its process, or one by another name", () => {
    assert.equal(choose(named("flannel0", { alias: "flanneld /other" })), "flannel1");
    assert.equal(choose(named("flannel0", { persistent: false })), "flannel1");
    assert.equal(choose(named("mine0")), "flannel0");
    assert.equal(choose(named("flannel.1")), "flannel0");
  });

  it("has the underlay's MTU less 28, or that of a smaller one from the config", () => {
    for (const [MTU, expected] of [
      [0, 1472],
      [1400, 1372],
      [9000, 1472],
      [96, 68],
    ] as const) {
      const backend = createUdp({ MTU });
      assert.equal(backend.mtu(UNDERLAY), expected);
      assert.deepEqual(backend.plan(udpView()).want[0], tunDevice({ mtu: expected }));
      assert.equal(backend.userspace?.tunnel(udpView()).mtu, expected);
    }
    assert.equal(createUdp({}).mtu({ ...UNDERLAY, mtu: 9000 }), 8972);
  });
});

describe("the options of udp", () => {
  it("are port 8285, large buffers, every feature and a check of sources unless the config says otherwise", () => {
    assert.deepEqual(userspace().options(UNDERLAY), {
      address: UNDERLAY.address,
      port: 8285,
      bufferSize: 8 * 1024 * 1024,
      features: new Set(DATAPATH_FEATURES),
    });
    assert.equal(userspace().tunnel(udpView()).checkSource, true);
  });

  it("are followed, in any case of the key", () => {
    const options = userspace({ port: 4242, BUFFERSIZE: 0 }).options(UNDERLAY);
    assert.deepEqual([options.port, options.bufferSize], [4242, 0]);
    assert.equal(userspace({ Port: 0 }).options(UNDERLAY).port, 8285);
    assert.equal(userspace({ CheckSource: false }).tunnel(udpView()).checkSource, false);
  });

  for (const feature of DATAPATH_FEATURES) {
    it(`switch ${feature} off, and nothing else`, () => {
      const { features } = userspace({ [feature]: false }).options(UNDERLAY);
      assert.deepEqual(
        [...features],
        DATAPATH_FEATURES.filter((other) => other !== feature),
      );
    });
  }

  it("that do not fit are refused with their path", () => {
    const wrong: readonly (readonly [string, Json])[] = [
      ["Port", 65_536],
      ["Port", -1],
      ["Port", "8285"],
      ["MTU", 95],
      ["MTU", 65_536],
      ["BufferSize", -1],
      ["BufferSize", 2 ** 31],
      ["CheckSource", "no"],
      ...DATAPATH_FEATURES.map((feature) => [feature, 1] as const),
    ];
    for (const [key, value] of wrong) {
      assert.throws(() => createUdp({ [key]: value }), new RegExp(`\\$\\.Backend\\.${key}`), `${key} ${value}`);
    }
  });

  it("bind the socket to the interface's own address, also behind NAT", () => {
    const underlay = { ...UNDERLAY, publicIp: parseIpv4("203.0.113.9") };
    assert.equal(userspace().options(underlay).address, UNDERLAY.address);
  });
});

describe("what udp hands to the data path", () => {
  it("is the tunnel: our device, its address, our subnet's first", () => {
    assert.deepEqual(userspace().tunnel(udpView()), {
      device: FLANNEL0,
      ipv4: "10.5.52.0",
      ipv6: null,
      mtu: 1472,
      checkSource: true,
    });
  });

  it("is for each peer its subnet, its public IP, and our own port: none is announced", () => {
    const peers = [PEER, udpLease("10.5.30.0/25", "203.0.113.5")];
    assert.deepEqual(userspace({ Port: 4242 }).routes(udpView({ peers })), [
      { subnet: "10.5.20.0/24", address: "192.168.64.4", port: 4242 },
      { subnet: "10.5.30.0/25", address: "203.0.113.5", port: 4242 },
    ]);
  });
});

describe("udp", () => {
  it("announces its address and neither a type nor data, byte for byte as the Go daemon does", () => {
    const attrs = createUdp({}).advertise({ underlay: UNDERLAY, links: [], mark: MARK, own: SELF, random });
    const record = new TextDecoder().decode(encodeLeaseAttrs({ ...attrs, nodeId: null, challenger: null }));
    assert.equal(record, '{"PublicIP":"192.168.64.2","PublicIPv6":null}');
    const underlay = { ...UNDERLAY, publicIp: parseIpv4("203.0.113.9") };
    const behindNat = createUdp({}).advertise({ underlay, links: [], mark: MARK, own: null, random });
    assert.equal(behindNat.publicIp, "203.0.113.9");
  });

  it("is what the network config calls by that name", () => {
    assert.equal(createBackend({ type: "udp", options: {} }).type, "udp");
    assert.equal(createUdp({}).unsuitable({ underlay: UNDERLAY, links: [], mark: MARK }), null);
  });
});
