import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isError } from "../../../src/base/errors.ts";
import { type Ipv4, parseIpv4, parsePrefix4 } from "../../../src/base/ip.ts";
import type { InterfaceAddress, InterfaceFacts, UnderlayFacts } from "../../../src/net/kernel-net.ts";
import type { LinkName } from "../../../src/net/objects.ts";
import { chooseUnderlay, type Reach, type Underlay, type UnderlayRequest } from "../../../src/net/underlay.ts";

type Flags = Partial<Pick<InterfaceAddress, "permanent" | "secondary" | "deprecated">>;

/** "10.0.0.2/24": static and primary unless the flags say otherwise. */
function address(text: string, flags: Flags = {}): InterfaceAddress {
  const ip = parseIpv4(text.slice(0, text.indexOf("/")));
  return { ip, prefix: parsePrefix4(text), permanent: true, secondary: false, deprecated: false, ...flags };
}

function link(name: string, addresses: readonly (InterfaceAddress | string)[], mtu = 1500): InterfaceFacts {
  return {
    name: name as LinkName,
    index: 1,
    mtu,
    up: true,
    loopback: name === "lo",
    addresses: addresses.map((item) => (typeof item === "string" ? address(item) : item)),
    addresses6: [],
    networks6: [],
  };
}

function host(interfaces: readonly InterfaceFacts[], ...defaults: readonly string[]): UnderlayFacts {
  return {
    interfaces,
    defaultRoutes: defaults.map((dev, metric) => ({ dev: dev as LinkName, metric })),
    defaultRoutes6: [],
  };
}

interface Flagged {
  readonly iface?: readonly string[];
  readonly regex?: readonly string[];
  readonly canReach?: string;
  readonly publicIp?: string;
}

function choose(facts: UnderlayFacts, flags: Flagged, reach: Reach = null): Underlay {
  const request: UnderlayRequest = {
    families: ["ipv4"],
    interfaces: flags.iface ?? [],
    regexes: (flags.regex ?? []).map((source) => ({ source, pattern: new RegExp(source) })),
    canReach: (flags.canReach ?? null) as Ipv4 | null,
    publicIp: (flags.publicIp ?? null) as Ipv4 | null,
    publicIpv6: null,
  };
  return chooseUnderlay(facts, request, reach);
}

/** Interface, its address, and what peers send to. */
function summary({ link: name, address: own, publicIp }: Underlay): string {
  return `${name} ${own} ${publicIp}`;
}

function refused(facts: UnderlayFacts, flags: Flagged, expected: RegExp, reach: Reach = null): void {
  assert.throws(
    () => choose(facts, flags, reach),
    (error) => {
      assert.ok(isError(error, "interface.not-found"), String(error));
      assert.match(error.message, expected);
      return true;
    },
  );
}

const LO = link("lo", ["127.0.0.1/8"], 65536);
const ordinary = host([LO, link("eth0", ["10.0.0.2/24"]), link("eth1", ["10.0.1.5/24", "10.0.1.6/24"])], "eth0");

describe("the underlay interface", () => {
  test("is that of the default route when nothing is asked for", () => {
    assert.deepEqual(choose(ordinary, {}), {
      link: "eth0",
      mtu: 1500,
      address: "10.0.0.2",
      publicIp: "10.0.0.2",
      onLink: ["10.0.0.0/24"],
      v6: null,
    });
  });

  test("is that of the default route with the lowest metric, or the first device of a multipath one", () => {
    const facts = host(ordinary.interfaces, "eth1", "eth0");
    assert.equal(summary(choose(facts, {})), "eth1 10.0.1.5 10.0.1.5");
  });

  test("is the owner of the public IP when that is all that is asked for", () => {
    assert.equal(summary(choose(ordinary, { publicIp: "10.0.1.6" })), "eth1 10.0.1.6 10.0.1.6");
  });

  test("is that of the default route when no interface carries the public IP, as behind NAT", () => {
    assert.equal(summary(choose(ordinary, { publicIp: "1.2.3.4" })), "eth0 10.0.0.2 1.2.3.4");
  });

  test("is the one that is named, with the public IP only announced", () => {
    assert.equal(summary(choose(ordinary, { iface: ["eth1"] })), "eth1 10.0.1.5 10.0.1.5");
    assert.equal(summary(choose(ordinary, { iface: ["eth1"], publicIp: "1.2.3.4" })), "eth1 10.0.1.5 1.2.3.4");
    assert.equal(summary(choose(ordinary, { iface: ["eth1"], publicIp: "10.0.0.2" })), "eth1 10.0.1.5 10.0.0.2");
  });

  test("is the one that carries the address given for a name", () => {
    assert.equal(summary(choose(ordinary, { iface: ["10.0.1.6"] })), "eth1 10.0.1.6 10.0.1.6");
  });

  test("is the first that exists of several, names before patterns before a route", () => {
    assert.equal(summary(choose(ordinary, { iface: ["nope", "eth1"], regex: ["eth0"] })), "eth1 10.0.1.5 10.0.1.5");
    assert.equal(summary(choose(ordinary, { iface: ["nope"], regex: ["nope", "eth0"] })), "eth0 10.0.0.2 10.0.0.2");
    const reach: Reach = { dev: "eth1" as LinkName, source: "10.0.1.6" as Ipv4, via: null };
    assert.equal(summary(choose(ordinary, { iface: ["nope"], canReach: "10.0.1.9" }, reach)), "eth1 10.0.1.6 10.0.1.6");
  });

  test("carries its MTU and the prefixes that it reaches without a gateway", () => {
    const facts = host([link("eth0", ["10.0.0.2/24", "10.0.0.3/24", "10.8.0.1/31", "10.9.9.9/32"], 9000)]);
    const underlay = choose(facts, { iface: ["eth0"] });
    assert.equal(underlay.mtu, 9000);
    assert.deepEqual(underlay.onLink, ["10.0.0.0/24", "10.8.0.0/31"]);
  });
});

describe("the cases of the Go daemon's tests", () => {
  const addresses = ["1.10.100.1", "192.168.200.128", "172.16.30.18", "172.16.31.200", "172.16.32.100"];
  const dummy0 = link(
    "dummy0",
    addresses.map((ip) => `${ip}/32`),
  );
  const facts = host([LO, link("eth0", ["10.0.0.2/24"]), dummy0], "eth0");

  test("a pattern that matches an address", () => {
    const underlay = choose(facts, { regex: ["192\\.168\\.200\\.\\d+"] });
    assert.equal(summary(underlay), "dummy0 192.168.200.128 192.168.200.128");
  });

  test("a pattern that matches a name", () => {
    assert.equal(summary(choose(facts, { regex: ["dummy\\d+"] })), "dummy0 1.10.100.1 1.10.100.1");
  });

  test("a name", () => {
    assert.equal(summary(choose(facts, { iface: ["dummy0"] })), "dummy0 1.10.100.1 1.10.100.1");
  });

  test("an address", () => {
    assert.equal(summary(choose(facts, { iface: ["172.16.30.18"] })), "dummy0 172.16.30.18 172.16.30.18");
  });

  test("a pattern that matches an address, and another public IP", () => {
    const underlay = choose(facts, { regex: ["172\\.16\\.30\\.\\d+"], publicIp: "172.16.31.200" });
    assert.equal(summary(underlay), "dummy0 172.16.30.18 172.16.31.200");
  });

  test("a target that is to be reached", () => {
    const reach: Reach = { dev: "dummy0" as LinkName, source: "172.16.32.100" as Ipv4, via: null };
    assert.equal(summary(choose(facts, { canReach: "172.16.32.254" }, reach)), "dummy0 172.16.32.100 172.16.32.100");
  });
});

describe("a pattern", () => {
  test("is tried on the addresses of all interfaces before any name", () => {
    const facts = host([link("net10", ["192.168.0.1/24"]), link("eth0", ["10.0.0.2/24"])]);
    assert.equal(summary(choose(facts, { regex: ["10"] })), "eth0 10.0.0.2 10.0.0.2");
  });

  test("matches anywhere unless it is anchored", () => {
    assert.equal(choose(ordinary, { regex: ["th1"] }).link, "eth1");
    refused(ordinary, { regex: ["^th1"] }, /matches \^th1/);
  });

  test("that matches several names takes the first interface with an address", () => {
    const facts = host([link("eth0", []), link("eth1", ["10.0.1.5/24"])]);
    assert.equal(choose(facts, { regex: ["^eth"] }).link, "eth1");
  });
});

describe("the address of an interface", () => {
  const chosen = (...addresses: readonly (InterfaceAddress | string)[]) =>
    choose(host([link("eth0", addresses)]), { iface: ["eth0"] }).address;

  test("is the first in the kernel's order among equals", () => {
    assert.equal(chosen("10.0.0.2/24", "10.0.1.2/24"), "10.0.0.2");
  });

  test("is a global one before a link-local one", () => {
    assert.equal(chosen("169.254.3.4/16", "10.0.0.2/24"), "10.0.0.2");
    assert.equal(chosen("169.254.3.4/16", address("10.0.0.2/24", { permanent: false })), "10.0.0.2");
    assert.equal(chosen("169.254.3.4/16"), "169.254.3.4");
  });

  test("is the primary one from DHCP before a static secondary one", () => {
    const primary = address("10.0.0.2/24", { permanent: false });
    assert.equal(chosen(primary, address("10.0.0.100/24", { secondary: true })), "10.0.0.2");
  });

  test("is never a virtual address that moves between hosts while there is another", () => {
    const primary = address("10.0.0.2/24", { permanent: false });
    assert.equal(chosen(primary, "10.0.0.100/32"), "10.0.0.2");
    assert.equal(chosen("10.0.0.100/32", primary), "10.0.0.2");
    assert.equal(chosen(primary, "203.0.113.7/32"), "10.0.0.2");
    assert.equal(chosen("10.0.0.100/32", address("10.0.0.2/24", { secondary: true })), "10.0.0.2");
  });

  test("is a /32 that comes first and stands by itself, as some providers configure it", () => {
    assert.equal(chosen("203.0.113.7/32", "10.0.0.2/24"), "203.0.113.7");
    assert.equal(chosen(address("203.0.113.7/32", { permanent: false })), "203.0.113.7");
  });

  test("is a static one before one from DHCP of the same standing", () => {
    assert.equal(chosen(address("10.0.0.2/24", { permanent: false }), "10.0.1.2/24"), "10.0.1.2");
  });

  test("is never a deprecated or a loopback one", () => {
    assert.equal(chosen(address("10.0.0.2/24", { deprecated: true }), "127.0.0.9/8", "10.0.0.3/24"), "10.0.0.3");
  });
});

describe("a request that leads to no interface", () => {
  test("is refused with everything that was looked for and what there is", () => {
    refused(
      ordinary,
      { iface: ["eth9", "10.9.9.9"], regex: ["^wlan"], canReach: "172.16.0.1" },
      /^no interface has the name or the address eth9 \(--iface\); .* 10\.9\.9\.9 \(--iface\); .* matches \^wlan \(--iface-regex\); there is no route to 172\.16\.0\.1 \(--iface-can-reach\); the host has eth0 \(10\.0\.0\.2\), eth1 \(10\.0\.1\.5, 10\.0\.1\.6\)$/,
    );
  });

  test("names an interface without a usable address", () => {
    refused(ordinary, { iface: ["lo"] }, /^interface lo has no usable IPv4 address; the host has eth0/);
    refused(ordinary, { iface: ["127.0.0.1"] }, /no interface has the name or the address 127\.0\.0\.1/);
    refused(
      host([LO, link("eth0", [])], "eth0"),
      {},
      /interface eth0 has no usable IPv4 address; the host has no interface with/,
    );
  });

  test("says that there is no default route", () => {
    refused(host(ordinary.interfaces), {}, /^there is no default route .* --iface/);
    refused(host(ordinary.interfaces, "gone0"), {}, /^the default route leaves through gone0, which does not exist/);
  });

  test("is one that leads to an interface with an MTU of 0", () => {
    refused(host([link("eth0", ["10.0.0.2/24"], 0)], "eth0"), {}, /^interface eth0 has an MTU of 0/);
  });

  test("is a route through a device that is gone; one without a source takes the device's address", () => {
    const canReach = "10.0.1.9";
    refused(ordinary, { canReach }, /leaves through gone0/, { dev: "gone0" as LinkName, source: null, via: null });
    const reach: Reach = { dev: "eth1" as LinkName, source: null, via: null };
    assert.equal(choose(ordinary, { canReach }, reach).address, "10.0.1.5");
  });
});
