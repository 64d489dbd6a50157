import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { FlannelError } from "../../../src/base/errors.ts";
import type { Link, LinkName } from "../../../src/net/objects.ts";
import { LEASE_TTL, type SubnetKey } from "../../../src/subnet/lease.ts";
import { dualLease, hostNumber } from "../../support/dual-stack.ts";
import { leaseOf } from "../../support/leases.ts";
import { type OperatorDesk, openDesk, type Said } from "../../support/operator.ts";
import { interfaceOf, OWN, PEER, recordOf, recordsOf } from "../../support/well-facts.ts";

const CONFIG = '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}';
const DUAL_CONFIG =
  '{"Network": "10.5.0.0/16", "EnableIPv6": true, "IPv6Network": "fd00:5::/48", "Backend": {"Type": "vxlan"}}';
const THIRD = recordOf("10.5.3.0/24", "192.168.77.13");
let desk: OperatorDesk;

beforeEach(() => {
  desk = openDesk();
  desk.store.writeConfig(CONFIG);
  desk.store.write(recordsOf([OWN, PEER, THIRD]));
  const link = (name: string, mtu: number): Link => {
    return { kind: "link", type: "other", name: name as LinkName, mtu, up: true, mac: null, driver: null };
  };
  desk.look = {
    links: async () => [link("eth0", 1500), link("flannel.1", 1450)],
    lookup: async (ip) => ({
      dev: (ip.startsWith("10.5.") ? "flannel.1" : "eth0") as LinkName,
      source: null,
      via: null,
    }),
    underlayFacts: async () => ({
      interfaces: [interfaceOf("eth0", "192.168.77.11/24")],
      defaultRoutes: [],
      defaultRoutes6: [],
    }),
  };
  for (const ip of ["192.168.77.12", "192.168.77.13"]) desk.pinger.paths.set(ip, { device: 1500 });
  for (const ip of ["10.5.2.0", "10.5.3.0"]) desk.pinger.paths.set(ip, { device: 1450 });
});

const ping = (...words: readonly string[]): Promise<Said> => desk.runOn("ping", ...words);

describe("ping", () => {
  it("shows both addresses of every peer but this host itself", async () => {
    const { status, out } = await ping("--all");
    assert.equal(status, 0, out);
    assert.deepEqual(
      out.split("\n").map((line) => line.replaceAll(/ +/g, " ")),
      [
        "SUBNET PUBLIC IP OVER ADDRESS RTT LOSS PATH MTU",
        "10.5.2.0/24 192.168.77.12 underlay 192.168.77.12 1.00 ms 0 % 1500",
        "10.5.2.0/24 192.168.77.12 overlay 10.5.2.0 1.00 ms 0 % 1450",
        "10.5.3.0/24 192.168.77.13 underlay 192.168.77.13 1.00 ms 0 % 1500",
        "10.5.3.0/24 192.168.77.13 overlay 10.5.3.0 1.00 ms 0 % 1450",
        "2 of 2 peers fine",
        "",
      ],
    );
    assert.equal(desk.pinger.isOpen, false);
  });

  it("shows them by address, as the lists of leases and peers do", async () => {
    const far = [recordOf("10.5.108.0/24", "192.168.77.14"), recordOf("10.5.37.0/24", "192.168.77.15")];
    desk.store.write(recordsOf([OWN, ...far, PEER, THIRD]));
    for (const ip of ["192.168.77.14", "192.168.77.15"]) desk.pinger.paths.set(ip, { device: 1500 });
    for (const ip of ["10.5.108.0", "10.5.37.0"]) desk.pinger.paths.set(ip, { device: 1450 });
    const { out } = await ping("--all", "--json");
    const subnets = JSON.parse(out).peers.map(({ subnet }: { subnet: string }) => subnet);
    assert.deepEqual(subnets, ["10.5.2.0/24", "10.5.3.0/24", "10.5.37.0/24", "10.5.108.0/24"]);
  });

  it("of all asks those that daemons send to, and lists the records that they leave out", async () => {
    const host = leaseOf({ subnet: "10.5.5.0/24", publicIp: "192.168.77.15", backendType: "host-gw" });
    const wide = recordOf("10.5.2.0/23", "192.168.77.16");
    const outside = recordOf("10.9.4.0/24", "192.168.77.14");
    const stale = recordOf("10.5.6.0/24", OWN.attrs.publicIp);
    const later = leaseOf({ subnet: "10.5.7.0/24", publicIp: "192.168.77.17", backendData: null });
    const noMac = { ...later, key: "10.5.8.0-24" as SubnetKey };
    desk.store.write(recordsOf([host, wide, outside, stale, later]));
    desk.store.write(recordsOf([noMac]), LEASE_TTL);
    desk.store.write({ "10.5.10.0-24": "no lease" });
    const { status, out } = await ping("--all");
    assert.equal(status, 0, out);
    const left = ["10.5.2.0-23", "10.5.5.0-24", "10.9.4.0-24", "10.5.8.0-24", "10.5.10.0-24"];
    assert.match(out, /^RECORD +WHY IT IS LEFT OUT$/m);
    assert.match(out, /^10\.5\.5\.0-24 +its backend is host-gw, ours is vxlan$/m);
    assert.match(out, /\n2 of 2 peers fine, 5 records left out\n$/);
    const { leftOut } = JSON.parse((await ping("--all", "--json")).out);
    assert.deepEqual(leftOut.map(({ key }: { key: string }) => key).toSorted(), left.toSorted());
    desk.store.write({ "10.5.2.0-24": null, "10.5.3.0-24": null, "10.5.2.0-23": null });
    const nobody = await ping("--all");
    assert.equal(nobody.status, 65);
    assert.match(
      nobody.err,
      /^no other host has a lease in this network that daemons send to, and 4 records are left out;/,
    );
    // Whoever is named is asked.
    assert.match((await ping("10.5.5.0/24")).out, /^broken: 192\.168\.77\.15 .* does not answer at all/m);
  });

  it("of all asks those families of a host in which a daemon would send to it", async () => {
    const half = dualLease(hostNumber(2, { publicIp: "192.168.77.12", publicIpv6: "fd77::2", mac6: "" }));
    const other = dualLease(hostNumber(3, { publicIp: "192.168.77.13", publicIpv6: "fd77::3", mac: "" }));
    desk.store.write({ "10.5.2.0-24": null, "10.5.3.0-24": null, "10.5.1.0-24": null });
    desk.store.write(recordsOf([half, other]));
    desk.store.writeConfig(DUAL_CONFIG);
    for (const ip of ["fd77::3", "fd00:5:0:3::"]) desk.pinger.paths.set(ip, { device: 1500 });
    const { verdict, peers, leftOut } = JSON.parse((await ping("--all", "--json")).out);
    assert.equal(verdict, "fine");
    assert.deepEqual(
      peers.flatMap(({ ways }: { ways: readonly { address: string }[] }) => ways.map(({ address }) => address)),
      ["fd77::3", "fd00:5:0:3::", "192.168.77.12", "10.5.2.0"],
    );
    assert.deepEqual(leftOut.map(({ reason }: { reason: string }) => reason).toSorted(), [
      "its BackendData has no usable VtepMAC",
      "its BackendV6Data has no usable VtepMAC",
    ]);
  });

  it("asks no peer of host-gw that is behind a router, by the interface of this host's own record", async () => {
    const hostGw = (subnet: string, publicIp: string) =>
      leaseOf({ subnet, publicIp, backendType: "host-gw", backendData: null });
    const near = hostGw("10.5.2.0/24", "192.168.77.12");
    const far = hostGw("10.5.3.0/24", "172.30.0.7");
    desk.store.writeConfig('{"Network": "10.5.0.0/16", "Backend": {"Type": "host-gw"}}');
    desk.store.write(recordsOf([hostGw("10.5.1.0/24", OWN.attrs.publicIp), near, far]));
    desk.pinger.paths.set("172.30.0.7", { device: 1500 });
    // The default route leaves by another one.
    const interfaces = [interfaceOf("wan0", "172.30.0.1/24"), interfaceOf("eth0", "192.168.77.11/24")];
    const defaultRoutes = [{ dev: "wan0" as LinkName, metric: 0 }];
    desk.look = { ...desk.look, underlayFacts: async () => ({ interfaces, defaultRoutes, defaultRoutes6: [] }) };
    const asked = async () => JSON.parse((await ping("--all", "--json")).out);
    const { peers, leftOut } = await asked();
    assert.deepEqual(
      peers.map(({ publicIp }: { publicIp: string }) => publicIp),
      ["192.168.77.12"],
    );
    assert.deepEqual(
      leftOut.map(({ key }: { key: string }) => key),
      ["10.5.3.0-24"],
    );
    assert.match(leftOut[0].reason, /^its host is not on the link of eth0 \(192\.168\.77\.0\/24\), and host-gw/);
    // On a host that has no record nobody knows the interface.
    desk.store.write({ "10.5.1.0-24": null });
    assert.equal((await asked()).peers.length, 2);
  });

  it("asks no host with this host's own MAC", async () => {
    const twin = leaseOf({ subnet: "10.5.3.0/24", publicIp: "192.168.77.13", backendData: OWN.attrs.backendData });
    desk.store.write(recordsOf([twin]));
    assert.match((await ping("--all")).out, /^10\.5\.3\.0-24 +its VtepMAC 02:00:00:00:05:01 is our own$/m);
  });

  it("tells of records that nobody can read also when there are no others", async () => {
    desk.store.write({ "10.5.2.0-24": null, "10.5.3.0-24": null });
    const alone = await ping("--all");
    assert.deepEqual([alone.status, alone.err], [65, "no other host has a lease in this network\n"]);
    desk.store.write({ "10.5.10.0-24": "no lease" });
    const said = /^no other host has a lease in this network that daemons send to, and 1 record is left out; .* leases/;
    for (const leases of [{}, { "10.5.1.0-24": null }]) {
      desk.store.write(leases);
      const { status, err } = await ping("--all");
      assert.equal(status, 65);
      assert.match(err, said);
    }
    desk.store.writeConfig("{");
    assert.match((await ping("--all")).err, said, "whatever the config says");
  });

  it("ends with 2 when a peer is broken and 1 when one is degraded, and says why", async () => {
    desk.pinger.paths.set("10.5.2.0", {}).delete("10.5.2.0");
    const broken = await ping("192.168.77.12");
    assert.equal(broken.status, 2);
    assert.match(
      broken.out,
      /^broken: 192\.168\.77\.12 \(10\.5\.2\.0\/24\) answers, but not through the overlay: UDP port 8472/m,
    );
    desk.pinger.paths.set("192.168.77.13", { mtu: 1400, router: "192.168.77.1" });
    const degraded = await ping("10.5.3.0/24");
    assert.equal(degraded.status, 1);
    assert.match(degraded.out, /^degraded: packets of more than 1400 bytes .* do not pass \(underlay/m);
  });

  it("gives programs all of it", async () => {
    desk.pinger.paths.set("192.168.77.12", { mtu: 1400 });
    const { status, out } = await ping("10.5.2.77", "--json", "--count=1");
    const { verdict, peers } = JSON.parse(out);
    assert.deepEqual([status, verdict, peers.length], [2, "broken", 1]);
    const [{ ways, ...peer }] = peers;
    assert.deepEqual(
      [peer.subnet, peer.publicIp, peer.backend, peer.verdict],
      ["10.5.2.0/24", "192.168.77.12", "vxlan", "broken"],
    );
    assert.match(peer.sentence, /vanish without a word/);
    assert.deepEqual(ways[0], {
      over: "underlay",
      address: "192.168.77.12",
      deviceMtu: 1500,
      sent: 1,
      received: 1,
      rttMs: 1,
      reason: null,
      pathMtu: 1400,
      isSilent: true,
    });
  });

  it("asks the underlay for no more than the overlay's packets need", async () => {
    const [eth0, flannel] = [desk.look.links, 1350];
    desk.look.links = async (scope) => [
      ...((await eth0?.(scope)) ?? []).filter(({ name }) => name === "eth0"),
      { kind: "link", type: "other", name: "flannel.1" as LinkName, mtu: flannel, up: true, mac: null, driver: null },
    ];
    desk.pinger.paths.set("192.168.77.12", { mtu: 1400 });
    const { status, out } = await ping("192.168.77.12");
    assert.equal(status, 0, out);
    assert.match(out, /underlay .* 1400$/m);
  });

  it("asks those addresses alone that the network has, whatever is left in the records", async () => {
    const dual = dualLease(hostNumber(2, { publicIp: "192.168.77.12" }));
    desk.store.write(recordsOf([OWN, dual]));
    const addresses = async () => {
      const { peers } = JSON.parse((await ping("fd77::2", "--json", "--count=1")).out);
      return peers[0].ways.map(({ over, address }: Record<string, string>) => `${over} ${address}`);
    };
    assert.deepEqual(await addresses(), ["underlay 192.168.77.12", "overlay 10.5.2.0"]);
    desk.store.writeConfig(
      '{"EnableIPv4": false, "EnableIPv6": true, "IPv6Network": "fd00:5::/48", "Backend": {"Type": "vxlan"}}',
    );
    assert.deepEqual(await addresses(), ["underlay fd77::2", "overlay fd00:5:0:2::"]);
  });

  it("refuses a word that is nobody or this host itself, and a line that says nothing or too much", async () => {
    const nobody = await ping("10.9.9.9");
    assert.deepEqual([nobody.status, nobody.out], [65, ""]);
    assert.match(nobody.err, /no lease has the host, the node id or the subnet "10\.9\.9\.9"/);
    const self = await ping("10.5.1.7");
    assert.deepEqual([self.status, self.out], [64, ""]);
    assert.match(self.err, /10\.5\.1\.7 is this host itself: name another one, or --all/);
    assert.equal((await ping()).status, 64);
    assert.equal((await ping("10.5.2.0/24", "--all")).status, 64);
    assert.equal((await ping("--all", "--count=0")).status, 64);
  });

  it("says how far it is where that takes long", async () => {
    desk.isTerminal = true;
    desk.store.write(recordsOf([recordOf("10.5.4.0/24", "192.168.77.14")]));
    desk.pinger.paths.clear();
    desk.pinger.paths.set("192.168.77.12", { device: 1500 }).set("10.5.2.0", { device: 1450 });
    assert.equal((await ping("--all")).err, "\rpinged 2 of 3 peers\u001b[K\r\u001b[K");
  });

  it("says which right is missing", async () => {
    const missing = new FlannelError("privilege.missing", { capability: "CAP_NET_RAW" });
    desk.openPinger = async () => Promise.reject(missing);
    const { status, err } = await ping("--all");
    assert.equal(status, 77);
    assert.match(err, /CAP_NET_RAW to send pings/);
  });
});
