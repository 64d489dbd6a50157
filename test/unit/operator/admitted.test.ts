import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seconds } from "../../../src/base/brand.ts";
import type { Link, LinkName } from "../../../src/net/objects.ts";
import type { Underlay } from "../../../src/net/underlay.ts";
import { admitAsDaemon } from "../../../src/operator/admitted.ts";
import type { Lease, Revision } from "../../../src/subnet/lease.ts";
import type { NetworkConfig } from "../../../src/subnet/network-config.ts";
import { DUAL_NETWORK, DUAL_PEER, DUAL_SELF, DUAL_UNDERLAY, dualLease, hostNumber } from "../../support/dual-stack.ts";
import { leaseOf, networkOf } from "../../support/leases.ts";
import { type OperatorDesk, openDesk } from "../../support/operator.ts";
import { interfaceOf, recordsOf } from "../../support/well-facts.ts";

const V4 = { Network: "10.5.0.0/16" };
const DUAL = { ...V4, EnableIPv6: true, IPv6Network: "fd00:5::/48", Backend: { Type: "vxlan" } };
const HOST_GW = { ...V4, Backend: { Type: "host-gw" } };
const NO_MAC = dualLease(hostNumber(7, { mac: "" }));
const NO_MAC6 = dualLease(hostNumber(6, { mac6: "" }));
const NEAR = leaseOf({ subnet: "10.5.2.0/24", publicIp: "192.168.64.2", backendType: "host-gw", backendData: null });
const FAR = leaseOf({ subnet: "10.5.3.0/24", publicIp: "172.30.0.7", backendType: "host-gw", backendData: null });

/** Of each peer its subnets, of each record that is left out the reason. */
function admitted(
  leases: readonly Lease[],
  change: { readonly network?: NetworkConfig; readonly self?: Lease | null; readonly underlay?: Underlay | null } = {},
): readonly [peers: readonly unknown[], reasons: readonly string[]] {
  const { network = DUAL_NETWORK, self = DUAL_SELF, underlay = DUAL_UNDERLAY } = change;
  const list = { revision: "1" as Revision, leases, bad: [] };
  const { peers, leftOut } = admitAsDaemon(list, { self, underlay }, network);
  return [peers.map(({ subnet }) => [subnet.v4, subnet.v6]), leftOut.map(({ reason }) => reason)];
}

describe("the peers that a daemon here would have", () => {
  it("are the family of a dual-stack host in which its record says how, as of the daemon", () => {
    for (const underlay of [DUAL_UNDERLAY, null]) {
      assert.deepEqual(admitted([DUAL_SELF, DUAL_PEER, NO_MAC6, NO_MAC], { underlay }), [
        [
          ["10.5.4.0/24", "fd00:5:0:4::/64"],
          ["10.5.6.0/24", null],
          ["0.0.0.0/0", "fd00:5:0:7::/64"],
        ],
        ["its BackendV6Data has no usable VtepMAC", "its BackendData has no usable VtepMAC"],
      ]);
    }
    const neither = dualLease(hostNumber(8, { mac: "", mac6: "" }));
    assert.deepEqual(admitted([neither]), [[], ["its BackendData has no usable VtepMAC"]]);
  });

  it("are none with this host's own MAC, by the other family at most", () => {
    const twin = dualLease(hostNumber(4, { mac: "02:00:00:00:04:52" }));
    const reason = "its VtepMAC 02:00:00:00:04:52 is our own";
    assert.deepEqual(admitted([DUAL_SELF, twin]), [[["0.0.0.0/0", "fd00:5:0:4::/64"]], [reason]]);
    // A host without a record has none.
    assert.deepEqual(admitted([twin], { self: null }), [[["10.5.4.0/24", "fd00:5:0:4::/64"]], []]);
  });

  it("are those that the backend reaches over the underlay, where that is known", () => {
    const network = networkOf(HOST_GW);
    const [peers, reasons] = admitted([NEAR, FAR], { network, self: null });
    assert.deepEqual(peers, [["10.5.2.0/24", null]]);
    assert.match(
      reasons.join(),
      /^its host is not on the link of eth0 \(192\.168\.64\.0\/24\), and host-gw reaches no/,
    );
    assert.deepEqual(admitted([NEAR, FAR], { network, self: null, underlay: null })[0].length, 2);
  });

  it("are not the host of a reservation that has not come yet, which is not left out, either", () => {
    const term = { kind: "reserved" } as const;
    assert.deepEqual(admitted([{ ...dualLease(hostNumber(9, { mac: "", mac6: "" })), term }]), [[], []]);
  });
});

function deskWith(config: object, ...leases: readonly Lease[]): OperatorDesk {
  const desk = openDesk();
  const eth0 = { mtu: 1500, up: true, mac: null, driver: null, name: "eth0" as LinkName };
  const link: Link = { kind: "link", type: "other", ...eth0 };
  const interfaces = [interfaceOf("eth0", "192.168.64.52/24")];
  const defaultRoutes = [{ dev: eth0.name, metric: 0 }];
  desk.look = {
    links: async () => [link],
    lookup: async () => ({ dev: eth0.name, source: null, via: null }),
    underlayFacts: async () => ({ interfaces, defaultRoutes, defaultRoutes6: [] }),
  };
  desk.store.writeConfig(JSON.stringify(config));
  desk.store.write(recordsOf(leases), seconds(86_400));
  for (const { attrs } of leases) desk.pinger.paths.set(attrs.publicIp, { device: 1500 });
  return desk;
}

async function peersCheck(desk: OperatorDesk): Promise<string> {
  const { checks } = JSON.parse((await desk.runOn("check", "--json")).out);
  const { verdict, sentence } = checks.find(({ name }: { name: string }) => name === "peers");
  return `${verdict}: ${sentence}`;
}

describe("check", () => {
  it("pings a dual-stack peer in the family in which its record says how", async () => {
    assert.match(
      await peersCheck(deskWith(DUAL, NO_MAC6)),
      /^ok: 1 peer answers on the underlay; 1 record is left out: \S+: its BackendV6Data has no usable VtepMAC$/,
    );
  });

  it("leaves out hosts behind a router where the backend reaches none, and does not call them absent", async () => {
    assert.match(
      await peersCheck(deskWith(HOST_GW, NEAR, FAR)),
      /^ok: 1 peer answers on the underlay; 1 record is left out: 10\.5\.3\.0-24: its host is not on the link of eth0/,
    );
    assert.match(
      await peersCheck(deskWith(HOST_GW, FAR)),
      /^warn: no other host has a lease that a daemon here would send to; 1 record is left out: /,
    );
  });
});
