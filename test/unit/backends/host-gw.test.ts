import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { NetworkView } from "../../../src/backends/backend.ts";
import { createHostGw } from "../../../src/backends/host-gw.ts";
import { createBackend } from "../../../src/backends/registry.ts";
import { parseIpv4, parsePrefix4 } from "../../../src/base/ip.ts";
import { systemRandom as random } from "../../../src/base/random.ts";
import { diff } from "../../../src/net/diff.ts";
import { FLANNEL_PROTOCOL, keyOf, type LinkName, type NetObject } from "../../../src/net/objects.ts";
import type { Underlay } from "../../../src/net/underlay.ts";
import type { Lease } from "../../../src/subnet/lease.ts";
import { encodeLeaseAttrs } from "../../../src/subnet/lease-codec.ts";
import { leaseOf, networkOf, peerNumber } from "../../support/leases.ts";
import { MARK, routeVia, underlayAt } from "../../support/vxlan-host.ts";

const UNDERLAY: Underlay = underlayAt("192.168.64.2");
const SELF = hostGwLease("10.5.52.0/24", "192.168.64.2");
const PEER = hostGwLease("10.5.20.0/24", "192.168.64.4");

function hostGwLease(subnet: string, publicIp: string): Lease {
  return leaseOf({ subnet, publicIp, backendType: "host-gw", backendData: null });
}

function viewOf(changes: Partial<NetworkView> = {}): NetworkView {
  return {
    network: networkOf({ Network: "10.5.0.0/16", Backend: { Type: "host-gw" } }),
    underlay: UNDERLAY,
    mark: MARK,
    device: null,
    flannelDevices: [],
    formerUnderlays: [],
    self: SELF,
    peers: [PEER],
    complete: true,
    measuredOffload: null,
    ...changes,
  };
}

const ROUTE: NetObject = { ...routeVia("192.168.64.4", "10.5.20.0/24"), protocol: FLANNEL_PROTOCOL };

describe("the host-gw plan", () => {
  it("wants one plain route for each peer through the underlay, and nothing else", () => {
    assert.deepEqual(createHostGw({}).plan(viewOf()).want, [ROUTE]);
  });

  it("claims everything that it wants, and wants every key once", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 2000 }), { maxLength: 40 }), (numbers) => {
        const network = networkOf({ Network: "10.0.0.0/8" });
        const underlay = { ...UNDERLAY, onLink: [parsePrefix4("172.16.0.0/16")] };
        const plan = createHostGw({}).plan(viewOf({ network, underlay, peers: numbers.map(peerNumber) }));
        assert.equal(plan.want.length, numbers.length);
        assert.ok(plan.want.every(plan.claims));
        assert.equal(new Set(plan.want.map(keyOf)).size, plan.want.length);
      }),
    );
  });

  it("hands out the same route for a peer that has not changed", () => {
    const backend = createHostGw({});
    const [before] = backend.plan(viewOf()).want;
    const after = backend.plan(viewOf({ peers: [hostGwLease("10.5.9.0/24", "192.168.64.9"), PEER] })).want;
    assert.ok(before && after.includes(before));
  });

  it("replaces what another backend or a Go daemon has in the place of a route, and deletes the rest of it", () => {
    const flannel1 = "flannel.1" as LinkName;
    const plan = createHostGw({}).plan(viewOf({ flannelDevices: [flannel1] }));
    const tunnel = { ...ROUTE, dev: flannel1, via: "10.5.20.0", onlink: true } as NetObject;
    const ofGo = routeVia("192.168.64.4", "10.5.20.0/24");
    for (const previous of [tunnel, ofGo]) {
      assert.deepEqual(diff(plan, [previous]).ops, [{ op: "replace", object: ROUTE, previous }]);
    }
    const departed = routeVia("192.168.64.7", "10.5.7.0/24");
    assert.deepEqual(diff(plan, [ROUTE, departed]).ops, [{ op: "delete", object: departed }]);
    assert.deepEqual(plan.scope, {
      families: ["ipv4"],
      devices: [],
      routeDevices: ["eth0", "flannel.1"],
      kinds: ["route"],
    });
  });

  it("leaves links, addresses and other people's routes alone", () => {
    const { claims } = createHostGw({}).plan(viewOf());
    assert.ok(!claims(routeVia("192.168.64.1", "0.0.0.0/0")));
    assert.ok(!claims({ kind: "address", dev: "eth0", address: "10.5.52.0/32" } as NetObject));
  });
});

describe("a peer of host-gw", () => {
  const fault = (publicIp: string, underlay = UNDERLAY) =>
    createHostGw({}).peerFault(hostGwLease("10.5.9.0/24", publicIp), { self: SELF, underlay });

  it("on one of the underlay's networks can be reached", () => {
    assert.equal(fault("192.168.64.9"), null);
    const two = { ...UNDERLAY, onLink: [...UNDERLAY.onLink, parsePrefix4("172.30.0.0/24")] };
    assert.equal(fault("172.30.0.1", two), null);
  });

  it("on another link cannot, gets no route, and the reason says what to do", () => {
    const said = fault("172.30.0.1") ?? "";
    assert.match(said, /not on the link of eth0 \(192\.168\.64\.0\/24\)/);
    assert.match(said, /vxlan .*DirectRouting/);
    const far = hostGwLease("10.5.9.0/24", "172.30.0.1");
    assert.deepEqual(createHostGw({}).plan(viewOf({ peers: [far] })).want, []);
  });
});

describe("host-gw", () => {
  it("is refused where the public IP is not the interface's, in the words that people search for", () => {
    const underlay = { ...UNDERLAY, publicIp: parseIpv4("203.0.113.9") };
    const said = createHostGw({}).unsuitable({ underlay, links: [], mark: MARK }) ?? "";
    assert.match(said, /your PublicIP differs from interface IP, meaning that probably you're on a NAT/);
    assert.match(said, /203\.0\.113\.9.*eth0 has 192\.168\.64\.2.*--public-ip/);
    assert.equal(createHostGw({}).unsuitable({ underlay: UNDERLAY, links: [], mark: MARK }), null);
  });

  it("announces its type and address and no data, byte for byte as the Go daemon does", () => {
    const attrs = createHostGw({}).advertise({ underlay: UNDERLAY, links: [], mark: MARK, own: SELF, random });
    const record = new TextDecoder().decode(encodeLeaseAttrs({ ...attrs, nodeId: null, challenger: null }));
    assert.equal(record, '{"PublicIP":"192.168.64.2","PublicIPv6":null,"BackendType":"host-gw"}');
  });

  it("has the MTU of the underlay, or a smaller one from the config", () => {
    assert.equal(createHostGw({}).mtu(UNDERLAY), 1500);
    assert.equal(createHostGw({ MTU: 0 }).mtu(UNDERLAY), 1500);
    assert.equal(createHostGw({ MTU: 1400 }).mtu(UNDERLAY), 1400);
    assert.equal(createHostGw({ MTU: 9000 }).mtu(UNDERLAY), 1500);
  });

  it("refuses an MTU that is none, with its path", () => {
    for (const MTU of [60, -1, 65_536, "1400"]) assert.throws(() => createHostGw({ MTU }), /\$\.Backend\.MTU/);
    assert.equal(createHostGw({ MTU: 68 }).mtu(UNDERLAY), 68);
  });

  it("is what the network config calls by that name", () => {
    assert.equal(createBackend({ type: "host-gw", options: {} }).type, "host-gw");
  });
});
