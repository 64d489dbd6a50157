import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createBackend } from "../../../src/backends/registry.ts";
import type { Ipv6 } from "../../../src/base/ipv6.ts";
import { runChecks } from "../../../src/check/checks.ts";
import { type Facts, known } from "../../../src/check/facts.ts";
import type { Link, LinkName, TunLink, VxlanLink } from "../../../src/net/objects.ts";
import { wellFacts } from "../../support/well-facts.ts";

const said = (name: string, change: Partial<Facts>) => {
  const found = runChecks(wellFacts(change)).find((one) => one.name === name);
  return `${found?.verdict}: ${found?.sentence}`;
};
const mtuSays = (change: Partial<Facts>) => said("mtu", change);

const plain = wellFacts();
const plainLinks = plain.links.known ? plain.links.value : [];
const [eth0] = plainLinks.filter(({ type }) => type === "other");
assert.ok(eth0 && plain.underlay.known);

function vxlan(name: string, vni: number, mtu: number): VxlanLink {
  const [found] = plainLinks.filter((link) => link.type === "vxlan");
  assert.ok(found);
  return { ...found, name: name as LinkName, vni, mtu };
}

function tun(name: string, alias: string, mtu: number): TunLink {
  const fixed = { kind: "link", type: "tun", up: true, mac: null, persistent: true, multiQueue: true } as const;
  return { ...fixed, name: name as LinkName, alias, mtu, acceptLocal: true };
}

const address6 = "fd00::11" as Ipv6;
const dualStack = known({ ...plain.underlay.value, v6: { address: address6, publicIp: address6, onLink: [] } });
const backend = (type: string, options = {}) => ({
  backends: [{ backend: createBackend({ type, options }), port: 1 }],
});
const withLinks = (...links: readonly Link[]) => ({ links: known([eth0, ...links]) });
const subnetFile = (mtu: number) => ({ subnetFile: { ...plain.subnetFile, mtu } });

describe("the MTU of a device", () => {
  it("is judged by its own family", () => {
    const host = (mtu4: number, mtu6: number) => ({
      underlay: dualStack,
      ...subnetFile(1430),
      ...backend("vxlan", { VNI: 2 }),
      ...withLinks(vxlan("flannel.2", 2, mtu4), vxlan("flannel-v6.2", 2, mtu6)),
    });
    assert.match(mtuSays(host(1450, 1430)), /^ok: packets of the overlay may have 1430 bytes/);
    assert.match(
      mtuSays(host(1450, 1450)),
      /^fail: flannel-v6\.2 has an MTU of 1450, and 1430 would fit eth0 \(1500\)/,
    );
    assert.match(mtuSays(host(1430, 1430)), /^warn: flannel\.2 has an MTU of 1430, and 1450 would fit/);
    assert.match(mtuSays(host(1430, 1450)), /^fail: flannel-v6\.2/, "what breaks packets comes first");
  });

  it("is looked at only of this network's devices", () => {
    const others = [vxlan("flannel.7", 7, 8000), tun("flannel0", "flanneld /other", 8000), vxlan("flannel.1", 9, 8000)];
    const own = "flanneld /coreos.com/network";
    const udp = { ...backend("udp"), ...subnetFile(1472) };
    assert.match(mtuSays(withLinks(...others)), /^ok/);
    assert.match(mtuSays({ ...udp, ...withLinks(...others, tun("flannel1", own, 1472)) }), /^ok/);
    assert.match(mtuSays({ ...udp, ...withLinks(...others, tun("flannel1", own, 1500)) }), /^fail: flannel1 has/);
    assert.match(mtuSays({ ...backend("host-gw"), ...subnetFile(1500), ...withLinks(...others) }), /^ok/);
  });
});

describe("the devices of other networks", () => {
  it("are not what the interface and rp_filter are judged by", () => {
    const foreign = { ...vxlan("flannel.7", 7, 1450), lower: "eth9" as LinkName };
    const links = known([foreign, ...plainLinks]);
    const sysctls = { "net.ipv4.conf.all.rp_filter": "0", "net.ipv4.conf.flannel/7.rp_filter": "1" };
    assert.match(said("interface", { links }), /^ok: eth0 \(192\.168\.77\.11\)/);
    assert.match(said("rp-filter", { links, sysctls }), /^ok: rp_filter is not strict/);
  });
});
