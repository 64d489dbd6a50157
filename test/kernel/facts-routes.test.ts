// What we rely on the kernel to do with routes.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Ip, Prefix4 } from "../../src/base/ip.ts";
import { FLANNEL_PROTOCOL, type LinkName } from "../../src/net/objects.ts";
import { messagesOf } from "../../src/netlink/codec.ts";
import { dumpHead } from "../../src/netlink/connection.ts";
import { NLM_F_APPEND, NLM_F_CREATE } from "../../src/netlink/constants.ts";
import {
  createRoute,
  decodeRoute,
  deleteRoute,
  replaceRoute,
  requestLookup,
  requestMatch,
  requestRoutes,
} from "../../src/netlink/route.ts";
import { DEV, type FactsHost, openFactsHost } from "../support/facts-host.ts";
import { ip, whyNotHere } from "../support/namespace.ts";
import { openNative } from "../support/native.ts";

describe("the kernel", { skip: whyNotHere() }, () => {
  let host: FactsHost;
  beforeEach(() => {
    host = openFactsHost();
  });
  afterEach(() => host[Symbol.dispose]());

  describe("for routes", () => {
    it("keeps two routes of one destination and metric, and replaces the first of them", () => {
      ip(`route add 10.5.2.0/24 via 10.5.7.0 dev ${DEV} onlink`);
      ip(`route append 10.5.2.0/24 via 10.5.8.0 dev ${DEV} onlink`);
      assert.deepEqual(host.connection.execute([replaceRoute(host.tunnelRoute(2), host.indexOf(DEV))]), [null]);
      assert.deepEqual(
        host.routes("10.5.2.0/24").map((line) => /via (\S+)/.exec(line)?.[1]),
        ["10.5.2.0", "10.5.8.0"],
      );
    });

    it("refuses to replace the first route by one that stands behind it", () => {
      ip(`route add 10.5.2.0/24 via 10.5.7.0 dev ${DEV} onlink`);
      const append = { ...createRoute(host.tunnelRoute(2), host.indexOf(DEV)), flags: NLM_F_CREATE | NLM_F_APPEND };
      assert.deepEqual(host.connection.execute([append]), [null]);
      const [refusal] = host.connection.execute([replaceRoute(host.tunnelRoute(2), host.indexOf(DEV))]);
      assert.equal(refusal?.errno, "EEXIST");
    });

    it("refuses to create a route whose destination and metric another one has, and names that one when asked", () => {
      ip("route add 10.5.2.0/24 dev und0 proto 186");
      const [refusal] = host.connection.execute([createRoute(host.tunnelRoute(2), host.indexOf(DEV))]);
      assert.equal(refusal?.errno, "EEXIST");
      const { messages } = host.connection.ask(requestMatch("10.5.2.0/24" as Prefix4));
      const [message] = messagesOf(messages);
      assert.ok(message);
      const { dst, protocol } = decodeRoute(messages, message, "und0" as LinkName) ?? {};
      assert.deepEqual([dst, protocol], ["10.5.2.0/24", 186]);
    });

    it("deletes by protocol, gateway and device whatever the scope, and by any metric when none is named", () => {
      ip(`route add 10.5.2.0/24 via 10.5.2.0 dev ${DEV} onlink proto 70 metric 9`);
      const index = host.indexOf(DEV);
      const refusals = host.connection.execute([
        deleteRoute(host.tunnelRoute(2, 3), index),
        deleteRoute({ ...host.tunnelRoute(2), via: "10.5.9.0" as Ip }, index),
        deleteRoute({ ...host.tunnelRoute(2), metric: 8 }, index),
      ]);
      assert.deepEqual(
        refusals.map((refusal) => refusal?.errno),
        ["ESRCH", "ESRCH", "ESRCH"],
      );
      assert.deepEqual(host.connection.execute([deleteRoute(host.tunnelRoute(2), index)]), [null]);
      ip(`route add 10.5.4.0/24 dev ${DEV} scope link proto 70`);
      assert.deepEqual(host.connection.execute([deleteRoute({ ...host.tunnelRoute(4), via: null }, index)]), [null]);
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
      const index = host.indexOf(DEV);
      const peers = [2, 3, 4];
      assert.deepEqual(host.connection.execute(peers.map((peer) => createRoute(host.tunnelRoute(peer), index))), [
        null,
        null,
        null,
      ]);
      const scopes = peers.map((peer) => / scope (\d+) /.exec(ip(`route show 10.5.${peer}.0/24`))?.[1]);
      assert.equal(new Set(scopes.filter(Boolean)).size, 3, scopes.join());
      // As the Go daemon does for every peer when it starts.
      ip(`route replace 10.5.2.0/24 via 10.5.2.0 dev ${DEV} onlink`);
      assert.deepEqual(host.routes("10.5.2.0/24"), [`10.5.2.0/24 via 10.5.2.0 dev ${DEV} onlink `]);
    });

    it("filters dumps by device, protocol and table", () => {
      for (const peer of [2, 3]) host.addPeer(peer);
      ip("route add 10.9.0.0/24 via 192.168.77.9 dev und0 proto 186");
      ip("route add 10.9.1.0/24 via 192.168.77.9 dev und0 proto 70");
      ip("route add 10.9.2.0/24 via 192.168.77.9 dev und0 proto 70 table 100");
      assert.equal(host.count(requestRoutes({ family: "ipv4", index: host.indexOf(DEV), protocol: null })), 2);
      assert.equal(
        host.count(requestRoutes({ family: "ipv4", index: host.indexOf("und0"), protocol: FLANNEL_PROTOCOL })),
        1,
      );
      assert.equal(host.count(requestRoutes({ family: "ipv4", index: null, protocol: FLANNEL_PROTOCOL })), 3);
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
      const { messages } = dumpHead(requestRoutes({ family: "ipv4", index: null, protocol: null }), 4096, openNative());
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
      const errno = (destination: string) =>
        host.connection.ask(requestLookup(destination as Ip)).refusal?.errno ?? null;
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
      const [refusal] = host.connection.execute([
        createRoute({ ...host.tunnelRoute(2), onlink: false }, host.indexOf(DEV)),
      ]);
      assert.deepEqual(refusal, { errno: "ENETUNREACH", message: "Nexthop has invalid gateway" });
    });
  });
});
