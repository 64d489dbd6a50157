import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { IfAddr, Ip, Ipv4, Prefix4 } from "../../src/base/ip.ts";
import type { Mac } from "../../src/base/mac.ts";
import {
  FLANNEL_PROTOCOL,
  type LinkName,
  type Neighbour,
  type Route,
  type RouteProtocol,
} from "../../src/net/objects.ts";
import { deleteAddress, requestAddresses } from "../../src/netlink/address.ts";
import { messagesOf, type Request } from "../../src/netlink/codec.ts";
import { type Connection, dumpHead, openConnection } from "../../src/netlink/connection.ts";
import { NLM_F_APPEND, NLM_F_CREATE, RTM_NEWROUTE } from "../../src/netlink/constants.ts";
import { supportsVxlan } from "../../src/netlink/device-support.ts";
import { createFdbEntry, requestFdb } from "../../src/netlink/fdb.ts";
import { createLink, setLink } from "../../src/netlink/link.ts";
import { createNeighbour, requestNeighbours } from "../../src/netlink/neighbour.ts";
import { readLink } from "../../src/netlink/read-links.ts";
import {
  createRoute,
  decodeRoute,
  deleteRoute,
  replaceRoute,
  requestLookup,
  requestMatch,
  requestRoutes,
} from "../../src/netlink/route.ts";
import { bridge, ip, whyNotHere } from "../support/namespace.ts";
import { openNative } from "../support/native.ts";

const DEV = "flannel.1" as LinkName;
const VXLAN = "type vxlan id 1 dev und0 local 192.168.77.1 dstport 8472 nolearning";

/** What the design relies on. When a kernel changes its mind, this file is the first to know. */
describe("the kernel", { skip: whyNotHere() }, () => {
  let connection: Connection;
  const native = whyNotHere() ? null : openNative();

  beforeEach(() => {
    if (native === null) throw new Error("skipped");
    connection = openConnection(native);
    ip("link add und0 type veth peer name und1");
    for (const dev of ["lo", "und0", "und1"]) ip(`link set ${dev} up`);
    ip("address add 192.168.77.1/24 dev und0");
    ip(`link add ${DEV} address 02:00:00:00:01:00 ${VXLAN}`);
    ip(`link set ${DEV} up`);
  });

  afterEach(() => {
    connection[Symbol.dispose]();
    if (ip("-o link show").includes("und0")) ip("link del und0");
  });

  it("refuses a vxlan device without attributes as invalid, a kind that it does not have as unknown, and makes neither", () => {
    assert.equal(supportsVxlan(connection), true);
    const link = { kind: "link", type: "other", name: "x0" as LinkName, mtu: 1400, up: false, mac: null } as const;
    const [unknown] = connection.execute([createLink({ ...link, driver: "no-such-kind" }, null)]);
    assert.equal(unknown?.errno, "EOPNOTSUPP");
    assert.doesNotMatch(ip("-o link show"), /flannel-probe|x0/);
  });

  const addPeer = (peer: number) => {
    ip(`neighbour add 10.5.${peer}.0 lladdr 02:00:00:00:02:0${peer} dev ${DEV} nud permanent`);
    bridge(`fdb add 02:00:00:00:02:0${peer} dst 192.168.77.${peer} dev ${DEV} self permanent`);
    ip(`route add 10.5.${peer}.0/24 via 10.5.${peer}.0 dev ${DEV} onlink proto 70`);
  };
  const routes = (words = "") => lines(ip(`route show ${words}`.trim()));
  const neighbours = () => lines(ip(`neighbour show dev ${DEV} nud permanent`));
  const fdb = () => lines(bridge(`fdb show dev ${DEV}`)).filter((line) => line.startsWith("02:00:00:00:02"));
  const indexOf = (name: string) => readLink({ name: name as LinkName }, connection)?.index ?? 0;
  const count = (request: Request) => {
    const { refusal, messages } = connection.dump(request);
    assert.equal(refusal, null);
    return [...messagesOf(messages)].length;
  };
  const tunnelRoute = (peer: number, protocol: number = FLANNEL_PROTOCOL): Route => ({
    kind: "route",
    dev: DEV,
    dst: `10.5.${peer}.0/24` as Prefix4,
    via: `10.5.${peer}.0` as Ipv4,
    onlink: true,
    metric: 0,
    protocol: protocol as RouteProtocol,
  });

  describe("for links", () => {
    it("drops routes and permanent neighbours of a device that goes down, and keeps its FDB", () => {
      addPeer(2);
      ip(`link set ${DEV} down`);
      ip(`link set ${DEV} up`);
      assert.deepEqual([routes(`dev ${DEV}`).length, neighbours().length, fdb().length], [0, 0, 1]);
    });

    it("drops gateway routes through an underlay that goes down", () => {
      ip("route add 10.5.3.0/24 via 192.168.77.3 dev und0");
      ip("link set und0 down");
      ip("link set und0 up");
      assert.deepEqual(routes("10.5.3.0/24"), []);
    });

    it("deletes a vxlan device with the device it runs over", () => {
      ip("link del und0");
      assert.ok(!ip("-o link show").includes(DEV));
    });

    it("marks routes of a device without carrier, which are still the same routes", () => {
      ip("route add 10.5.3.0/24 via 192.168.77.3 dev und0 proto 70");
      ip("link set und1 down");
      const { messages } = connection.dump(
        requestRoutes({ family: "ipv4", index: indexOf("und0"), protocol: FLANNEL_PROTOCOL }),
      );
      const [message] = messagesOf(messages);
      assert.ok(message);
      assert.match(ip("route show 10.5.3.0/24"), /linkdown/);
      assert.equal(decodeRoute(messages, message, "und0" as LinkName)?.onlink, false);
    });

    it("gives a vxlan device that is made with port 0 the port 8472", () => {
      ip(`link del ${DEV}`);
      ip(`link add ${DEV} type vxlan id 1 dev und0 local 192.168.77.1 dstport 0`);
      const link = readLink({ name: DEV }, connection)?.link;
      assert.equal(link?.type === "vxlan" && link.port, 8472);
    });

    it("sets the MAC of a vxlan device that is up", () => {
      ip(`link set ${DEV} address 02:00:00:00:0a:0a`);
      assert.equal(readLink({ name: DEV }, connection)?.link.mac, "02:00:00:00:0a:0a");
    });

    it("drops the neighbours of a device whose MAC is set, even to what it is", () => {
      addPeer(2);
      ip(`link set ${DEV} address 02:00:00:00:01:00`);
      assert.deepEqual([neighbours().length, routes(`dev ${DEV}`).length, fdb().length], [0, 1, 1]);
    });

    it("keeps the neighbours when a change does not name the MAC", () => {
      addPeer(2);
      const link = readLink({ name: DEV }, connection)?.link;
      assert.ok(link);
      const request = setLink(indexOf(DEV), link, { ...link, mtu: 1400 });
      assert.deepEqual(connection.execute([request]), [null]);
      assert.equal(neighbours().length, 1);
    });

    it("does not change the VNI, the port or the local address of a vxlan device", () => {
      for (const change of ["id 2", "id 1 dstport 4789"]) {
        assert.throws(() => ip(`link set ${DEV} type vxlan ${change}`), change);
      }
    });

    it("allows a VNI once per port", () => {
      assert.throws(() => ip("link add other type vxlan id 1 dstport 8472"), /exists/);
    });

    it("cuts the MTU of a vxlan device down at creation and refuses it later", () => {
      ip(`link del ${DEV}`);
      ip(`link add ${DEV} mtu 1500 ${VXLAN}`);
      assert.equal(readLink({ name: DEV }, connection)?.link.mtu, 1450);
      assert.throws(() => ip(`link set ${DEV} mtu 1451`), /Invalid argument/);
    });
  });

  describe("for routes", () => {
    it("keeps two routes of one destination and metric, and replaces the first of them", () => {
      ip(`route add 10.5.2.0/24 via 10.5.7.0 dev ${DEV} onlink`);
      ip(`route append 10.5.2.0/24 via 10.5.8.0 dev ${DEV} onlink`);
      assert.deepEqual(connection.execute([replaceRoute(tunnelRoute(2), indexOf(DEV))]), [null]);
      assert.deepEqual(
        routes("10.5.2.0/24").map((line) => /via (\S+)/.exec(line)?.[1]),
        ["10.5.2.0", "10.5.8.0"],
      );
    });

    it("refuses to replace the first route by one that stands behind it", () => {
      ip(`route add 10.5.2.0/24 via 10.5.7.0 dev ${DEV} onlink`);
      const append = { ...createRoute(tunnelRoute(2), indexOf(DEV)), flags: NLM_F_CREATE | NLM_F_APPEND };
      assert.deepEqual(connection.execute([append]), [null]);
      const [refusal] = connection.execute([replaceRoute(tunnelRoute(2), indexOf(DEV))]);
      assert.equal(refusal?.errno, "EEXIST");
    });

    it("refuses to create a route whose destination and metric another one has, and names that one when asked", () => {
      ip("route add 10.5.2.0/24 dev und0 proto 186");
      const [refusal] = connection.execute([createRoute(tunnelRoute(2), indexOf(DEV))]);
      assert.equal(refusal?.errno, "EEXIST");
      const { messages } = connection.ask(requestMatch("10.5.2.0/24" as Prefix4));
      const [message] = messagesOf(messages);
      assert.ok(message);
      const { dst, protocol } = decodeRoute(messages, message, "und0" as LinkName) ?? {};
      assert.deepEqual([dst, protocol], ["10.5.2.0/24", 186]);
    });

    it("deletes by protocol, gateway and device whatever the scope, and by any metric when none is named", () => {
      ip(`route add 10.5.2.0/24 via 10.5.2.0 dev ${DEV} onlink proto 70 metric 9`);
      const index = indexOf(DEV);
      const refusals = connection.execute([
        deleteRoute(tunnelRoute(2, 3), index),
        deleteRoute({ ...tunnelRoute(2), via: "10.5.9.0" as Ip }, index),
        deleteRoute({ ...tunnelRoute(2), metric: 8 }, index),
      ]);
      assert.deepEqual(
        refusals.map((refusal) => refusal?.errno),
        ["ESRCH", "ESRCH", "ESRCH"],
      );
      assert.deepEqual(connection.execute([deleteRoute(tunnelRoute(2), index)]), [null]);
      ip(`route add 10.5.4.0/24 dev ${DEV} scope link proto 70`);
      assert.deepEqual(connection.execute([deleteRoute({ ...tunnelRoute(4), via: null }, index)]), [null]);
    });

    it("cannot tell scopes up to that of a link apart: not for packets, not for forwarded ones, not for gateways", () => {
      writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
      ip(`address add 10.5.1.0/32 dev ${DEV}`);
      for (const scope of [0, 1, 199, 252]) {
        ip(`route add 10.5.2.0/24 via 10.5.2.0 dev ${DEV} onlink proto 70 scope ${scope}`);
        assert.match(ip("route get 10.5.2.9"), /^10\.5\.2\.9 via 10\.5\.2\.0 dev flannel\.1 src 10\.5\.1\.0 /);
        assert.match(
          ip("route get 10.5.2.9 from 192.168.77.9 iif und0"),
          /^10\.5\.2\.9 from 192\.168\.77\.9 via 10\.5\.2\.0 dev flannel\.1 /,
        );
        assert.throws(() => ip("route add 10.99.0.0/16 via 10.5.2.9"), /Nexthop has invalid gateway/);
        ip("route del 10.5.2.0/24");
      }
    });

    it("takes routes of neighbouring subnets through a tunnel in scopes of their own, and replaces them by global ones", () => {
      const index = indexOf(DEV);
      const peers = [2, 3, 4];
      assert.deepEqual(connection.execute(peers.map((peer) => createRoute(tunnelRoute(peer), index))), [
        null,
        null,
        null,
      ]);
      const scopes = peers.map((peer) => / scope (\d+) /.exec(ip(`route show 10.5.${peer}.0/24`))?.[1]);
      assert.equal(new Set(scopes.filter(Boolean)).size, 3, scopes.join());
      // As the Go daemon does for every peer when it starts.
      ip(`route replace 10.5.2.0/24 via 10.5.2.0 dev ${DEV} onlink`);
      assert.deepEqual(routes("10.5.2.0/24"), [`10.5.2.0/24 via 10.5.2.0 dev ${DEV} onlink `]);
    });

    it("filters dumps by device, protocol and table", () => {
      for (const peer of [2, 3]) addPeer(peer);
      ip("route add 10.9.0.0/24 via 192.168.77.9 dev und0 proto 186");
      ip("route add 10.9.1.0/24 via 192.168.77.9 dev und0 proto 70");
      ip("route add 10.9.2.0/24 via 192.168.77.9 dev und0 proto 70 table 100");
      assert.equal(count(requestRoutes({ family: "ipv4", index: indexOf(DEV), protocol: null })), 2);
      assert.equal(count(requestRoutes({ family: "ipv4", index: indexOf("und0"), protocol: FLANNEL_PROTOCOL })), 1);
      assert.equal(count(requestRoutes({ family: "ipv4", index: null, protocol: FLANNEL_PROTOCOL })), 3);
    });

    it("gives an IPv6 route without a metric the metric 1024", () => {
      ip("-6 address add fd00:1::1/64 dev und0 nodad");
      ip("-6 route add fd00:2::/64 via fd00:1::2 dev und0");
      assert.match(ip("-6 route show fd00:2::/64"), /metric 1024/);
    });

    it("dumps in the order of destinations, so that the beginning holds the default routes", () => {
      for (let block = 1; block < 200; block++) ip(`route add 10.9.${block}.0/24 via 192.168.77.9 dev und0`);
      ip("route add default via 192.168.77.254 dev und0 metric 50");
      ip("route add default via 192.168.77.253 dev und0");
      assert.ok(native);
      const { messages } = dumpHead(requestRoutes({ family: "ipv4", index: null, protocol: null }), 4096, native);
      const all = [...messagesOf(messages)];
      const first = all.slice(0, 2).map((message) => decodeRoute(messages, message, DEV));
      assert.ok(all.length < 199, `${all.length} routes are no beginning`);
      assert.deepEqual(
        first.map((route) => [route?.dst, route?.metric]),
        [
          ["0.0.0.0/0", 0],
          ["0.0.0.0/0", 50],
        ],
      );
    });

    it("answers a lookup without a way with one of four errors", () => {
      const errno = (destination: string) => connection.ask(requestLookup(destination as Ip)).refusal?.errno ?? null;
      ip("route add unreachable 10.6.0.0/24");
      ip("route add prohibit 10.7.0.0/24");
      ip("route add blackhole 10.8.0.0/24");
      assert.deepEqual(["203.0.113.1", "10.6.0.1", "10.7.0.1", "10.8.0.1"].map(errno), [
        "ENETUNREACH",
        "EHOSTUNREACH",
        "EACCES",
        "EINVAL",
      ]);
    });

    it("says in words why it refuses a gateway", () => {
      const [refusal] = connection.execute([createRoute({ ...tunnelRoute(2), onlink: false }, indexOf(DEV))]);
      assert.deepEqual(refusal, { errno: "ENETUNREACH", message: "Nexthop has invalid gateway" });
    });
  });

  describe("for neighbours and forwarding entries", () => {
    it("acknowledges a second destination for a MAC and ignores it; only a replacement changes it", () => {
      addPeer(2);
      const index = indexOf(DEV);
      const moved = {
        kind: "fdb",
        dev: DEV,
        mac: "02:00:00:00:02:02" as Mac,
        dst: "192.168.77.9" as Ipv4,
      } as const;
      const replace = createFdbEntry(moved, index);
      assert.deepEqual(connection.execute([{ ...replace, flags: NLM_F_CREATE | NLM_F_APPEND }]), [null]);
      assert.match(fdb().join(), /dst 192\.168\.77\.2 /);
      assert.deepEqual(connection.execute([replace]), [null]);
      assert.match(fdb().join(), /dst 192\.168\.77\.9 /);
      assert.equal(fdb().length, 1);
    });

    it("filters dumps by device", () => {
      for (const peer of [2, 3]) addPeer(peer);
      ip("link add vx9 type vxlan id 9 dev und0 local 192.168.77.1 dstport 8472");
      bridge("fdb add 02:00:00:00:09:09 dst 192.168.77.9 dev vx9 self permanent");
      ip("neighbour add 192.168.77.9 lladdr 02:00:00:00:09:09 dev und0 nud permanent");
      assert.equal(count(requestNeighbours(indexOf(DEV), "ipv4")), 2);
      assert.equal(count(requestFdb(indexOf(DEV))), 2);
    });
  });

  describe("for addresses", () => {
    it("deletes the one whose prefix length is named, if IFA_ADDRESS is", () => {
      ip(`address add 10.5.1.0/24 dev ${DEV}`);
      ip(`address add 10.5.1.0/32 dev ${DEV}`);
      const narrow = { kind: "address", dev: DEV, address: "10.5.1.0/32" as IfAddr } as const;
      assert.deepEqual(connection.execute([deleteAddress(narrow, indexOf(DEV))]), [null]);
      assert.match(ip(`-o address show dev ${DEV}`), /10\.5\.1\.0\/24/);
      assert.equal(count(requestAddresses(indexOf(DEV), "ipv4")), 1);
    });

    it("does not call a /32 beside a network a secondary address", () => {
      ip("address add 192.168.77.50/32 dev und0");
      assert.doesNotMatch(ip("address show dev und0"), /192\.168\.77\.50\/32 .*secondary/);
    });
  });

  it("takes more permanent neighbours than gc_thresh3, and leaves the room below it to all others", () => {
    const limit = neighbourLimit();
    const first = 10 * 2 ** 24 + 2 ** 22;
    const address = (n: number) => [24, 16, 8, 0].map((bits) => ((first + n) >> bits) & 255).join(".") as Ipv4;
    const mac = "02:00:00:00:02:02" as Mac;
    const entries = Array.from({ length: limit + 500 }, (_, n) => ({
      kind: "neighbour",
      dev: DEV,
      ip: address(n),
      mac,
    }));
    const index = indexOf(DEV);
    const refusals = connection.execute(entries.map((entry) => createNeighbour(entry as Neighbour, index)));
    assert.deepEqual(
      refusals.filter((refusal) => refusal !== null),
      [],
    );
    assert.equal(neighbours().length, limit + 500);
    ip("neighbour add 192.168.77.9 lladdr 02:00:00:00:00:09 dev und0 nud reachable");
  });

  it("carries out a batch in order and reports each error, whether an answer was asked for or not", () => {
    const index = indexOf(DEV);
    const good = replaceRoute(tunnelRoute(2), index);
    const bad = replaceRoute({ ...tunnelRoute(3), onlink: false }, index);
    const requests = Array.from({ length: 300 }, (_, position) => (position % 2 === 0 ? bad : good));
    const outcomes = connection.execute(requests).map((refusal) => refusal?.errno ?? null);
    assert.deepEqual(
      outcomes,
      requests.map((request) => (request === bad ? "ENETUNREACH" : null)),
    );
    assert.equal(good.type, RTM_NEWROUTE);
    assert.equal(routes("10.5.2.0/24").length, 1);
  });
});

/** gc_thresh3, which holds for all network namespaces together. */
function neighbourLimit(): number {
  return Number(/arp_cache[\s\S]*?thresh3 (\d+)/.exec(ip("ntable show"))?.[1]);
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}
