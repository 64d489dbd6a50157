import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import type { IfAddr, Ipv4 } from "../../src/base/ip.ts";
import type { Mac } from "../../src/base/mac.ts";
import { FLANNEL_PROTOCOL, type LinkName, type Neighbour } from "../../src/net/objects.ts";
import { deleteAddress, requestAddresses } from "../../src/netlink/address.ts";
import { messagesOf } from "../../src/netlink/codec.ts";
import { NLM_F_APPEND, NLM_F_CREATE, RTM_NEWROUTE } from "../../src/netlink/constants.ts";
import { supportsVxlan } from "../../src/netlink/device-support.ts";
import { createFdbEntry, requestFdb } from "../../src/netlink/fdb.ts";
import { createLink, setLink } from "../../src/netlink/link.ts";
import { createNeighbour, requestNeighbours } from "../../src/netlink/neighbour.ts";
import { readLink } from "../../src/netlink/read-links.ts";
import { decodeRoute, replaceRoute, requestRoutes } from "../../src/netlink/route.ts";
import { DEV, type FactsHost, openFactsHost, VXLAN } from "../support/facts-host.ts";
import { bridge, ip, whyNotHere } from "../support/namespace.ts";

/** What the design relies on. When a kernel changes its mind, this file is the first to know. */
describe("the kernel", { skip: whyNotHere() }, () => {
  let host: FactsHost;
  beforeEach(() => {
    host = openFactsHost();
  });
  afterEach(() => host[Symbol.dispose]());

  it("refuses a vxlan device without attributes as invalid, a kind that it does not have as unknown, and makes neither", () => {
    assert.equal(supportsVxlan(host.connection), true);
    const link = { kind: "link", type: "other", name: "x0" as LinkName, mtu: 1400, up: false, mac: null } as const;
    const [unknown] = host.connection.execute([createLink({ ...link, driver: "no-such-kind" }, null)]);
    assert.equal(unknown?.errno, "EOPNOTSUPP");
    assert.doesNotMatch(ip("-o link show"), /flannel-probe|x0/);
  });

  describe("for links", () => {
    it("drops routes and permanent neighbours of a device that goes down, and keeps its FDB", () => {
      host.addPeer(2);
      ip(`link set ${DEV} down`);
      ip(`link set ${DEV} up`);
      assert.deepEqual([host.routes(`dev ${DEV}`).length, host.neighbours().length, host.fdb().length], [0, 0, 1]);
    });

    it("drops gateway routes through an underlay that goes down", () => {
      ip("route add 10.5.3.0/24 via 192.168.77.3 dev und0");
      ip("link set und0 down");
      ip("link set und0 up");
      assert.deepEqual(host.routes("10.5.3.0/24"), []);
    });

    it("deletes a vxlan device with the device it runs over", () => {
      ip("link del und0");
      assert.ok(!ip("-o link show").includes(DEV));
    });

    it("marks routes of a device without carrier, which are still the same routes", async () => {
      ip("route add 10.5.3.0/24 via 192.168.77.3 dev und0 proto 70");
      ip("link set und1 down");
      // Kernel: up to a second later, where devices have had or lost their carrier just before.
      const isMarked = () => ip("route show 10.5.3.0/24").includes("linkdown") || null;
      await waitFor("the mark", isMarked, seconds(10), new AbortController().signal);
      const { messages } = host.connection.dump(
        requestRoutes({ family: "ipv4", index: host.indexOf("und0"), protocol: FLANNEL_PROTOCOL }),
      );
      const [message] = messagesOf(messages);
      assert.ok(message);
      assert.equal(decodeRoute(messages, message, "und0" as LinkName)?.onlink, false);
    });

    it("gives a vxlan device that is made with port 0 the port 8472", () => {
      ip(`link del ${DEV}`);
      ip(`link add ${DEV} type vxlan id 1 dev und0 local 192.168.77.1 dstport 0`);
      const link = readLink({ name: DEV }, host.connection)?.link;
      assert.equal(link?.type === "vxlan" && link.port, 8472);
    });

    it("sets the MAC of a vxlan device that is up", () => {
      ip(`link set ${DEV} address 02:00:00:00:0a:0a`);
      assert.equal(readLink({ name: DEV }, host.connection)?.link.mac, "02:00:00:00:0a:0a");
    });

    it("drops the neighbours of a device whose MAC is set, even to what it is", () => {
      host.addPeer(2);
      ip(`link set ${DEV} address 02:00:00:00:01:00`);
      assert.deepEqual([host.neighbours().length, host.routes(`dev ${DEV}`).length, host.fdb().length], [0, 1, 1]);
    });

    it("keeps the neighbours when a change does not name the MAC", () => {
      host.addPeer(2);
      const link = readLink({ name: DEV }, host.connection)?.link;
      assert.ok(link);
      const request = setLink(host.indexOf(DEV), link, { ...link, mtu: 1400 });
      assert.deepEqual(host.connection.execute([request]), [null]);
      assert.equal(host.neighbours().length, 1);
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
      assert.equal(readLink({ name: DEV }, host.connection)?.link.mtu, 1450);
      assert.throws(() => ip(`link set ${DEV} mtu 1451`), /Invalid argument/);
    });
  });

  describe("for neighbours and forwarding entries", () => {
    it("acknowledges a second destination for a MAC and ignores it; only a replacement changes it", () => {
      host.addPeer(2);
      const index = host.indexOf(DEV);
      const moved = {
        kind: "fdb",
        dev: DEV,
        mac: "02:00:00:00:02:02" as Mac,
        dst: "192.168.77.9" as Ipv4,
      } as const;
      const replace = createFdbEntry(moved, index);
      assert.deepEqual(host.connection.execute([{ ...replace, flags: NLM_F_CREATE | NLM_F_APPEND }]), [null]);
      assert.match(host.fdb().join(), /dst 192\.168\.77\.2 /);
      assert.deepEqual(host.connection.execute([replace]), [null]);
      assert.match(host.fdb().join(), /dst 192\.168\.77\.9 /);
      assert.equal(host.fdb().length, 1);
    });

    it("filters dumps by device", () => {
      for (const peer of [2, 3]) host.addPeer(peer);
      ip("link add vx9 type vxlan id 9 dev und0 local 192.168.77.1 dstport 8472");
      bridge("fdb add 02:00:00:00:09:09 dst 192.168.77.9 dev vx9 self permanent");
      ip("neighbour add 192.168.77.9 lladdr 02:00:00:00:09:09 dev und0 nud permanent");
      assert.equal(host.count(requestNeighbours(host.indexOf(DEV), "ipv4")), 2);
      assert.equal(host.count(requestFdb(host.indexOf(DEV))), 2);
    });
  });

  describe("for addresses", () => {
    it("deletes the one whose prefix length is named, if IFA_ADDRESS is", () => {
      ip(`address add 10.5.1.0/24 dev ${DEV}`);
      ip(`address add 10.5.1.0/32 dev ${DEV}`);
      const narrow = { kind: "address", dev: DEV, address: "10.5.1.0/32" as IfAddr } as const;
      assert.deepEqual(host.connection.execute([deleteAddress(narrow, host.indexOf(DEV))]), [null]);
      assert.match(ip(`-o address show dev ${DEV}`), /10\.5\.1\.0\/24/);
      assert.equal(host.count(requestAddresses(host.indexOf(DEV), "ipv4")), 1);
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
    const index = host.indexOf(DEV);
    const refusals = host.connection.execute(entries.map((entry) => createNeighbour(entry as Neighbour, index)));
    assert.deepEqual(
      refusals.filter((refusal) => refusal !== null),
      [],
    );
    assert.equal(host.neighbours().length, limit + 500);
    ip("neighbour add 192.168.77.9 lladdr 02:00:00:00:00:09 dev und0 nud reachable");
  });

  it("carries out a batch in order and reports each error, whether an answer was asked for or not", () => {
    const index = host.indexOf(DEV);
    const good = replaceRoute(host.tunnelRoute(2), index);
    const bad = replaceRoute({ ...host.tunnelRoute(3), onlink: false }, index);
    const requests = Array.from({ length: 300 }, (_, position) => (position % 2 === 0 ? bad : good));
    const outcomes = host.connection.execute(requests).map((refusal) => refusal?.errno ?? null);
    assert.deepEqual(
      outcomes,
      requests.map((request) => (request === bad ? "ENETUNREACH" : null)),
    );
    assert.equal(good.type, RTM_NEWROUTE);
    assert.equal(host.routes("10.5.2.0/24").length, 1);
  });
});

/** gc_thresh3, which holds for all network namespaces together. */
function neighbourLimit(): number {
  return Number(/arp_cache[\s\S]*?thresh3 (\d+)/.exec(ip("ntable show"))?.[1]);
}
