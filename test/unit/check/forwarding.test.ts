import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createBackend } from "../../../src/backends/registry.ts";
import type { Family, Prefix4 } from "../../../src/base/ip.ts";
import { runChecks } from "../../../src/check/checks.ts";
import { type Facts, known } from "../../../src/check/facts.ts";
import { forwardingSysctls, type InputDevices, judgeForwarding } from "../../../src/check/forwarding.ts";
import type { LinkName } from "../../../src/net/objects.ts";
import { interfaceOf, wellFacts } from "../../support/well-facts.ts";

const V4 = "net.ipv4.ip_forward";
const V6 = "net.ipv6.conf.all.forwarding";
const OWN4 = "net.ipv4.conf.flannel/1.forwarding";
const CNI4 = "net.ipv4.conf.cni0.forwarding";
const NAMES = ["flannel.1" as LinkName, "cni0" as LinkName];
const DEVICES: InputDevices = { ipv4: NAMES, ipv6: NAMES };

const said = (families: readonly Family[], sysctls: Readonly<Record<string, string>>, devices = DEVICES) => {
  const { verdict, sentence, remedy } = judgeForwarding({ families, devices, sysctls });
  return remedy === null ? `${verdict}: ${sentence}` : `${verdict}: ${sentence}; ${remedy}`;
};

describe("forwarding of IPv4", () => {
  it("is what the interface says that a packet comes in by", () => {
    assert.equal(said(["ipv4"], { [V4]: "1", [OWN4]: "1", [CNI4]: "1" }), `ok: ${V4} is on`);
    assert.equal(
      said(["ipv4"], { [V4]: "1", [OWN4]: "0", [CNI4]: "1" }),
      `fail: ${OWN4} is 0: packets that come in there are not forwarded, so that containers reach nobody on other hosts; sysctl -w ${OWN4}=1`,
    );
    assert.match(
      said(["ipv4"], { [V4]: "1", [OWN4]: "0", [CNI4]: "0" }),
      new RegExp(`^fail: ${OWN4}, ${CNI4} are 0: .*; sysctl -w ${OWN4}=1 ${CNI4}=1$`),
    );
    const devices = { ...DEVICES, ipv4: ["$(id)" as LinkName] };
    const odd = said(["ipv4"], { [V4]: "1", "net.ipv4.conf.$(id).forwarding": "0" }, devices);
    assert.ok(odd.endsWith("; sysctl -w 'net.ipv4.conf.$(id).forwarding=1'"), odd);
  });

  it("is switched off for all by the general setting, unless all that counts was switched on again", () => {
    assert.match(said(["ipv4"], { [V4]: "0", [OWN4]: "0", [CNI4]: "0" }), new RegExp(`^fail: ${V4} is 0: this host`));
    assert.match(said(["ipv4"], { [V4]: "0", [OWN4]: "1", [CNI4]: "0" }), new RegExp(`; sysctl -w ${V4}=1$`));
    assert.match(said(["ipv4"], { [V4]: "0" }, { ipv4: [], ipv6: [] }), /^fail/);
    assert.match(said(["ipv4"], { [V4]: "0", [OWN4]: "1", [CNI4]: "1" }), /^ok: .* is off, and forwarding on for flan/);
  });

  it("is not guessed of what cannot be read, as of an interface that is not there yet", () => {
    assert.equal(said(["ipv4"], {}), `skip: ${V4} cannot be read`);
    assert.match(said(["ipv4"], { [V4]: "1" }), /^ok/);
  });
});

describe("forwarding of IPv6", () => {
  it("is what the general setting says, whatever that of an interface is", () => {
    const device = "net.ipv6.conf.flannel/1.forwarding";
    assert.equal(said(["ipv6"], { [V6]: "1", [device]: "0" }), `ok: ${V6} is on`);
    assert.match(said(["ipv6"], { [V6]: "0", [device]: "1" }), new RegExp(`^fail: ${V6} is 0: .*; sysctl -w ${V6}=1$`));
  });

  it("is on where all that counts has force_forwarding", () => {
    const force = (value: string) => ({
      "net.ipv6.conf.flannel/1.force_forwarding": "1",
      "net.ipv6.conf.cni0.force_forwarding": value,
    });
    assert.match(said(["ipv6"], { [V6]: "0", ...force("0") }), /^fail/);
    assert.match(
      said(["ipv6"], { [V6]: "0", ...force("1") }),
      /^ok: .* is off, and force_forwarding on for flannel\.1/,
    );
  });

  it("is told apart in a network of both families", () => {
    const both = ["ipv4", "ipv6"] as const;
    assert.match(said(both, { [V4]: "1", [V6]: "0" }), /forwards no IPv6 packets/);
    assert.match(said(both, { [V4]: "1", [OWN4]: "0", [V6]: "1" }), /: IPv4 packets that come in there/);
    const apart: InputDevices = { ipv4: ["flannel.1" as LinkName], ipv6: ["flannel-v6.1" as LinkName] };
    const others = { "net.ipv4.conf.flannel-v6/1.forwarding": "0", "net.ipv6.conf.flannel-v6/1.force_forwarding": "1" };
    assert.match(said(both, { [V4]: "1", [V6]: "0", ...others }, apart), /^ok: /, "by the device of the other family");
  });
});

describe("check", () => {
  const well = wellFacts();
  assert.ok(well.underlay.known && well.interfaces.known);
  const pods = known([...well.interfaces.value, interfaceOf("cni0", "10.5.1.1/24"), interfaceOf("br0", "10.9.1.1/24")]);
  /** What it says where forwarding is switched off for this interface alone. */
  const without = (dev: string, change: Partial<Facts> = {}) => {
    const name = `net.ipv4.conf.${dev.replace(".", "/")}.forwarding`;
    const facts = wellFacts({ interfaces: pods, ...change, sysctls: { ...well.sysctls, [name]: "0" } });
    return runChecks(facts).find((one) => one.name === "ip-forward")?.verdict;
  };

  it("looks at flanneld's device and at those of pods, and at no other", () => {
    assert.deepEqual(
      ["flannel.1", "cni0", "eth0", "br0", "flannel.7"].map((dev) => without(dev)),
      [...["fail", "fail"], ...["ok", "ok", "ok"]],
    );
  });

  it("looks at the underlay's interface where packets come in by it: with host-gw, and of a peer that is routed directly", () => {
    const hostGw = { backends: [{ backend: createBackend({ type: "host-gw", options: {} }), port: null }] };
    assert.deepEqual([without("eth0", hostGw), without("flannel.1", hostGw)], ["fail", "ok"]);
    const routes = [{ dst: "10.5.2.0/24" as Prefix4, dev: "eth0" as LinkName }];
    assert.equal(without("eth0", { routes }), "fail");
  });

  it("asks for the settings by the names that sysctl(8) takes", () => {
    const devices: InputDevices = { ipv4: ["flannel.1" as LinkName], ipv6: ["flannel-v6.1" as LinkName] };
    assert.deepEqual(forwardingSysctls({ families: ["ipv4", "ipv6"], devices }), [
      ...[V4, OWN4],
      ...[V6, "net.ipv6.conf.flannel-v6/1.force_forwarding"],
    ]);
  });
});
