// What we rely on the kernel to do with IPv6, each with the place that relies on it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { LinkName } from "../../src/net/objects.ts";
import { messagesOf } from "../../src/netlink/codec.ts";
import { openConnection } from "../../src/netlink/connection.ts";
import { RTM_NEWROUTE } from "../../src/netlink/constants.ts";
import { decodeRoute, requestRoutes } from "../../src/netlink/route.ts";
import { ip, whyNotHere } from "../support/namespace.ts";
import { openNative } from "../support/native.ts";

/** What `ip` says when it fails; empty when it does not. */
function refusalOf(words: string): string {
  try {
    execFileSync("ip", words.split(" "), { stdio: ["ignore", "ignore", "pipe"] });
    return "";
  } catch (error) {
    return String((error as { readonly stderr?: unknown }).stderr);
  }
}

function shown(words: string): string {
  return execFileSync("ip", words.split(" "), { encoding: "utf8" });
}

describe("the kernel and IPv6", { skip: whyNotHere() }, () => {
  beforeEach(() => {
    ip("link add und0 type veth peer name und1");
    for (const dev of ["lo", "und1", "und0"]) ip(`link set ${dev} up`);
    ip("-6 address add fd77::1/64 dev und0 nodad");
    ip("link add flannel-v6.1 type vxlan id 1 local fd77::1 dev und0 dstport 8472 nolearning");
    ip("link set flannel-v6.1 up");
  });
  afterEach(() => ip("link del und0"));

  it("refuses an on-link gateway while the table leads to it through another device (apply.ts)", () => {
    ip("-6 route add fd00:5::/64 via fd77::2 dev und0 proto 70");
    const tunnel = "fd00:5::/64 via fd00:5:: dev flannel-v6.1 onlink proto 70";
    assert.match(refusalOf(`-6 route replace ${tunnel}`), /device mismatch|Invalid argument/);
    ip("-6 route del fd00:5::/64");
    assert.equal(refusalOf(`-6 route replace ${tunnel}`), "");
  });

  it("refuses a route beside one of the same gateway, whatever their protocols (apply.ts)", () => {
    ip("-6 route add fd00:5::/64 via fd77::2 dev und0 proto boot");
    assert.match(refusalOf("-6 route append fd00:5::/64 via fd77::2 dev und0 proto 70"), /File exists/);
    ip("-6 route replace fd00:5::/64 via fd77::2 dev und0 proto 70");
    assert.match(shown("-6 route show fd00:5::/64"), /^fd00:5::\/64 via fd77::2 dev und0 proto 70 [^\n]*\n$/);
  });

  it("gives a route without a metric one of 1024 (objects.ts)", () => {
    ip("-6 route add fd00:5::/64 via fd77::2 dev und0");
    assert.match(shown("-6 route show fd00:5::/64"), /metric 1024/);
  });

  it("lists default routes last, and the newest address first (underlay-facts.ts)", () => {
    ip("-6 route add default via fd77::fe dev und0");
    for (let n = 1; n < 20; n++) ip(`-6 route add fd00:${n}::/64 via fd77::2 dev und0`);
    using connection = openConnection(openNative());
    const { messages } = connection.dump(requestRoutes({ family: "ipv6", index: null, protocol: null }));
    const routes = [...messagesOf(messages)]
      .filter(({ type }) => type === RTM_NEWROUTE)
      .map((message) => decodeRoute(messages, message, "any" as LinkName)?.dst);
    assert.equal(routes.at(-1), "::/0");
    ip("-6 address add fd77::5/64 dev und0 nodad");
    assert.deepEqual(shown("-6 -o address show dev und0 scope global").match(/fd77::\d/g), ["fd77::5", "fd77::1"]);
  });

  it("takes an address away when IPv6 is switched off on a device, and refuses one until it is on (apply.ts)", () => {
    const set = (value: string) =>
      execFileSync("sh", ["-c", `echo ${value} >/proc/sys/net/ipv6/conf/flannel-v6.1/disable_ipv6`]);
    ip("-6 address add fd00:5::/128 dev flannel-v6.1 nodad");
    set("1");
    assert.equal(shown("-6 address show dev flannel-v6.1"), "");
    assert.match(refusalOf("-6 address add fd00:5::/128 dev flannel-v6.1 nodad"), /Permission denied|IPv6 is disabled/);
    set("0");
    assert.equal(refusalOf("-6 address add fd00:5::/128 dev flannel-v6.1 nodad"), "");
  });

  it("has no IPv6 on a device with an MTU below 1280 (vxlan.ts)", () => {
    ip("link set flannel-v6.1 mtu 1279");
    assert.notEqual(refusalOf("-6 address add fd00:5::/128 dev flannel-v6.1 nodad"), "");
  });
});
