import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createBackend } from "../../../src/backends/registry.ts";
import type { Ipv4, Prefix4 } from "../../../src/base/ip.ts";
import { type Facts, known, unknown } from "../../../src/check/facts.ts";
import { type ForwardedWay, forwardedCases } from "../../../src/check/forwarded-ways.ts";
import { parseForwardedWay } from "../../../src/facts/forwarded-way.ts";
import type { LinkName } from "../../../src/net/objects.ts";
import { expectAll } from "../../support/findings.ts";
import { interfaceOf, wellFacts } from "../../support/well-facts.ts";

const routeOf = (dst: string, dev: string) => ({ dst: dst as Prefix4, dev: dev as LinkName });
const OF_PODS = routeOf("10.5.1.0/24", "cni0");

/** With containers here. */
function withPods(change: Partial<Facts> = {}): Facts {
  const interfaces = known([interfaceOf("eth0", "192.168.77.11/24"), interfaceOf("cni0", "10.5.1.1/24")]);
  return wellFacts({ interfaces, routes: [...wellFacts().routes, OF_PODS], ...change });
}

const HOST_GW: Partial<Facts> = {
  backends: [{ backend: createBackend({ type: "host-gw", options: {} }), port: null }],
  routes: [routeOf("10.5.2.0/24", "eth0"), OF_PODS],
};

/** The kernel says this of what leaves, and what is right of what comes. */
function answered(way: ForwardedWay, change: Partial<Facts> = {}): Partial<Facts> {
  const facts = withPods(change);
  const forwarded = forwardedCases(facts).map((one, index) => ({
    ...one,
    way: known(index === 0 ? way : { dev: one.right.dev, gateway: one.right.gateway }),
  }));
  return { ...facts, forwarded };
}

describe("the packets that the kernel is asked about", () => {
  it("go to the containers of a peer, and come from there", () => {
    const [out, back] = forwardedCases(withPods());
    assert.deepEqual(out, {
      ...{ source: "10.5.1.254", destination: "10.5.2.254", iif: "cni0", subnet: "10.5.2.0/24" },
      right: { dev: "flannel.1", gateway: null },
    });
    assert.deepEqual(back, {
      ...{ source: "10.5.2.254", destination: "10.5.1.254", iif: "flannel.1", subnet: "10.5.1.0/24" },
      right: { dev: "cni0", gateway: null },
    });
  });

  it("have the peer's host as their gateway where they go as they are", () => {
    const [out] = forwardedCases(withPods(HOST_GW));
    assert.deepEqual(out?.right, { dev: "eth0", gateway: "192.168.77.12" });
  });

  it("are those of udp by the one route that it has", () => {
    const [out] = forwardedCases(withPods({ routes: [routeOf("10.5.0.0/16", "flannel.1"), OF_PODS] }));
    assert.equal(out?.right.dev, "flannel.1");
  });

  it("have no address of this host", () => {
    const bridge = interfaceOf("cni0", "10.5.1.254/24");
    const [out, back] = forwardedCases(withPods({ interfaces: known([bridge]) }));
    assert.deepEqual([out?.source, back?.destination], ["10.5.1.253", "10.5.1.253"]);
  });

  it("are none without containers, without a route to the peer, and without peers", () => {
    assert.deepEqual(forwardedCases(wellFacts()), []);
    assert.deepEqual(forwardedCases(withPods({ routes: [OF_PODS] })), []);
    assert.deepEqual(forwardedCases(withPods({ peers: [] })), []);
  });
});

describe("a check of the routes", () => {
  it("tells what a rule for the containers' interface does to their packets", () => {
    const right = { dev: "flannel.1", gateway: "10.5.2.0" };
    const away = { dev: "eth0", gateway: "192.168.77.1" };
    const refused = /^what comes in by cni0 for 10\.5\.2\.0\/24 is refused by a rule .* should leave by flannel\.1$/;
    expectAll([
      ["routes", "ok", /no containers and peers yet/, wellFacts()],
      ["routes", "ok", /take the routes to the other hosts$/, answered(right)],
      ["routes", "fail", refused, answered(null)],
      ["routes", "fail", /leaves by eth0, and should by flannel\.1: a rule/, answered(away)],
      [
        "routes",
        "fail",
        /leaves by the gateway 192\.168\.77\.1, and should by 192\.168\.77\.12/,
        answered(away, HOST_GW),
      ],
      ["routes", "fail", /leaves without a gateway/, answered({ dev: "eth0", gateway: null }, HOST_GW)],
      ["routes", "ok", /take the routes/, answered({ dev: "eth0", gateway: "192.168.77.12" }, HOST_GW)],
    ]);
  });

  it("accuses nobody where nothing is forwarded, or the kernel was not asked", () => {
    const off = { "net.ipv4.ip_forward": "0" };
    const [one] = forwardedCases(withPods());
    const unasked = one ? [{ ...one, way: unknown("there is no ip here") }] : [];
    expectAll([
      ["routes", "skip", /shows when they are forwarded$/, { ...answered(null), sysctls: off }],
      ["routes", "skip", /not looked at: there is no ip here$/, { ...withPods(), forwarded: unasked }],
      ["routes", "ok", /which the network has not$/, { families: ["ipv6"] }],
    ]);
  });
});

describe("what ip says of a way", () => {
  it("is a device and a gateway, or not known", () => {
    const parse = (text: string) => parseForwardedWay(text);
    assert.deepEqual(
      parse(
        '[{"dst":"10.5.2.254","from":"10.5.1.254","gateway":"10.5.2.0","dev":"flannel.1","flags":[],"iif":"cni0"}]\n',
      ),
      known({ dev: "flannel.1", gateway: "10.5.2.0" as Ipv4 }),
    );
    assert.deepEqual(parse('[{"dst":"10.5.1.254","dev":"cni0"}]'), known({ dev: "cni0", gateway: null }));
    for (const text of ["", "[]", "10.5.2.254 dev flannel.1"]) assert.equal(parse(text).known, false, text);
  });
});
