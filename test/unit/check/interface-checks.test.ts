import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Prefix4 } from "../../../src/base/ip.ts";
import { type Facts, known, unknown } from "../../../src/check/facts.ts";
import type { LinkName } from "../../../src/net/objects.ts";
import { expectAll, finding } from "../../support/findings.ts";
import { interfaceOf, PEER, peerOf, recordOf, storeOf, wellFacts } from "../../support/well-facts.ts";

const ETH1 = "eth1" as LinkName;
const NOWHERE = "*" as LinkName;

describe("a check of the interface", () => {
  const astray = { peers: [peerOf(PEER, { way: { dev: ETH1, source: null } })] };
  const strict = { "net.ipv4.conf.all.rp_filter": "0", "net.ipv4.conf.eth0.rp_filter": "1" };

  it("tells a wrong one, one that is down, and none", () => {
    expectAll([
      [
        "interface",
        "fail",
        /packets to 192\.168\.77\.12 leave by eth1, and flanneld uses eth0: the wrong interface/,
        astray,
      ],
      [
        "interface",
        "fail",
        /eth0 is down/,
        { interfaces: known([interfaceOf("eth0", "192.168.77.11/24", { up: false })]) },
      ],
      ["interface", "fail", /no default route/, { underlay: unknown("there is no default route") }],
      ["mtu", "skip", /without an interface/, { underlay: unknown("there is no default route") }],
    ]);
  });

  it("tells a route and a rule that refuse a peer from one to which no route leads", () => {
    const peers = [peerOf(PEER, { way: null })];
    const { underlay, routes } = wellFacts();
    const blackhole = { dst: "192.168.77.12/32" as Prefix4, dev: "*" as LinkName };
    const elsewhere = underlay.known ? known({ ...underlay.value, onLink: [] }) : underlay;
    const withoutDefault = routes.slice(1);
    expectAll([
      ["interface", "fail", /^the route 192\.168\.77\.12\/32 .* drops/, { peers, routes: [blackhole, ...routes] }],
      ["interface", "fail", /^a rule of this host refuses packets to 192\.168\.77\.12, to/, { peers }],
      ["interface", "fail", /^a rule of this host refuses/, { peers, underlay: elsewhere }],
      ["interface", "fail", /^this host has no route to/, { peers, underlay: elsewhere, routes: withoutDefault }],
    ]);
    const { command } = finding("interface", { peers, routes: [blackhole, ...routes] });
    assert.equal(command, "ip route del 192.168.77.12/32");
  });

  it("tells the route where it is only some peers that are reached by another one", () => {
    const others = ["192.168.77.13", "192.168.77.14"].map((ip, index) => recordOf(`10.5.${index + 3}.0/24`, ip));
    const peers = [...astray.peers, ...others.map((lease) => peerOf(lease))];
    const sentence = "the route to 192.168.77.12 leaves by eth1, and flanneld uses eth0";
    const isSaid = { verdict: "fail", sentence } as const;
    const look = (change: Partial<Facts>) => {
      const { verdict, sentence, remedy } = finding("interface", change);
      return { verdict, sentence, remedy };
    };
    const unnamed = "see which route or rule that is, and take it away: ip route get 192.168.77.12";
    assert.deepEqual(look({ peers }), { ...isSaid, remedy: unnamed });
    assert.deepEqual(look({ peers: peers.slice(0, 2) }), { ...isSaid, remedy: unnamed });
    const routes = [...wellFacts().routes, { dst: "192.168.77.12/32" as Prefix4, dev: ETH1 }];
    assert.deepEqual(look({ peers, routes }), { ...isSaid, remedy: "ip route del 192.168.77.12/32 dev eth1" });
    const [, one, two] = peers.map(({ lease }) => peerOf(lease, { way: { dev: ETH1, source: null } }));
    assert.ok(one && two);
    assert.deepEqual(look({ peers: [peerOf(PEER), one, two] }), {
      verdict: "fail",
      sentence: "packets to 192.168.77.13, 192.168.77.14 leave by eth1, and flanneld uses eth0: the wrong interface",
      remedy: "start flanneld with -iface=eth1, or with FLANNELD_IFACE=eth1 in its environment file",
    });
  });

  it("tells rp_filter only where it drops", () => {
    expectAll([
      ["rp-filter", "ok", /strict on eth0, and routes lead back/, { sysctls: strict }],
      [
        "rp-filter",
        "fail",
        /strict on eth0, and answers to 192\.168\.77\.12 would leave by eth1.*7 packets dropped/,
        { ...astray, sysctls: strict, reversePathDrops: 7 },
      ],
      ["rp-filter", "ok", /not strict/, { ...astray, sysctls: { ...strict, "net.ipv4.conf.all.rp_filter": "2" } }],
      [
        "rp-filter",
        "fail",
        /strict on flannel\.1, and the route to 10\.5\.2\.0\/24/,
        { sysctls: { "net.ipv4.conf.all.rp_filter": "1" }, routes: [] },
      ],
      // Of a peer that is reached directly nothing comes by the device.
      [
        "rp-filter",
        "ok",
        /strict on eth0, flannel\.1, and routes lead back/,
        {
          sysctls: { "net.ipv4.conf.all.rp_filter": "1" },
          routes: [{ dst: "10.5.2.0/24" as Prefix4, dev: "eth0" as LinkName }],
        },
      ],
    ]);
  });

  it("mends rp_filter on the one interface alone, also where all of them are strict", () => {
    for (const name of ["all", "eth0"]) {
      const change = { ...astray, sysctls: { ...strict, [`net.ipv4.conf.${name}.rp_filter`]: "1" } };
      const { remedy } = finding("rp-filter", change);
      assert.equal(remedy, "sysctl -w net.ipv4.conf.eth0.rp_filter=2");
      const mended = { ...change.sysctls, "net.ipv4.conf.eth0.rp_filter": "2" };
      assert.equal(finding("rp-filter", { ...change, sysctls: mended }).verdict, "ok");
    }
    const tunnel = finding("rp-filter", { sysctls: { "net.ipv4.conf.all.rp_filter": "1" }, routes: [] });
    assert.equal(tunnel.remedy, "sysctl -w net.ipv4.conf.flannel/1.rp_filter=2", "as sysctl(8) takes it");
  });

  it("names an interface as a shell takes it: Linux lets it be called almost anything", () => {
    const odd = "$(id)" as LinkName;
    const way = { dev: odd, source: null };
    const route = { dst: "192.168.77.12/32" as Prefix4, dev: odd };
    const few = [
      peerOf(PEER, { way }),
      ...["13", "14"].map((n) => peerOf(recordOf(`10.5.${n}.0/24`, `192.168.77.${n}`))),
    ];
    const astray = finding("interface", { peers: few, routes: [route] });
    assert.equal(astray.command, "ip route del 192.168.77.12/32 dev '$(id)'");
    const { underlay, links } = wellFacts();
    assert.ok(underlay.known && links.known);
    const named = {
      underlay: known({ ...underlay.value, link: odd }),
      links: known(links.value.filter(({ name }) => name !== "flannel.1")),
      peers: [peerOf(PEER, { way })],
    };
    const down = known([interfaceOf(odd, "192.168.77.11/24", { up: false })]);
    assert.equal(finding("interface", { ...named, interfaces: down }).command, "ip link set '$(id)' up");
    const answers = { ...named, peers: [peerOf(PEER)], sysctls: { "net.ipv4.conf.all.rp_filter": "1" } };
    assert.equal(finding("rp-filter", answers).command, "sysctl -w 'net.ipv4.conf.$(id).rp_filter=2'");
  });

  it("tells an MTU that does not fit", () => {
    const { links } = wellFacts();
    assert.ok(links.known);
    const wide = links.value.map((link) => (link.type === "vxlan" ? { ...link, mtu: 1500 } : link));
    expectAll([
      ["mtu", "fail", /flannel\.1 has an MTU of 1500, and 1450 would fit eth0 \(1500\)/, { links: known(wide) }],
      [
        "mtu",
        "fail",
        /subnet\.env says an MTU of 8950, and 1450/,
        { subnetFile: { path: "/run/flannel/subnet.env", subnet: null, subnet6: null, mtu: 8950, isOfThisBoot: true } },
      ],
      [
        "mtu",
        "warn",
        /subnet\.env says an MTU of 1400/,
        { subnetFile: { path: "/run/flannel/subnet.env", subnet: null, subnet6: null, mtu: 1400, isOfThisBoot: true } },
      ],
    ]);
  });

  it("tells networks that overlap", () => {
    const own = {
      subnetFile: { path: "", subnet: "10.5.1.0/24" as Prefix4, subnet6: null, mtu: null, isOfThisBoot: true },
    };
    const fileless = { subnetFile: { path: "", subnet: null, subnet6: null, mtu: null, isOfThisBoot: true } };
    const bridge = known([interfaceOf("eth0", "192.168.77.11/24"), interfaceOf("cni0", "10.5.1.1/24")]);
    expectAll([
      ["networks", "ok", /overlaps no network/, { ...own, interfaces: bridge }],
      // Its daemon has a subnet file of its own, which an ordinary user cannot know.
      ["networks", "ok", /overlaps no network/, { ...fileless, interfaces: bridge }],
      [
        "networks",
        "fail",
        /overlaps 10\.5\.1\.0\/24 of cni0/,
        { ...fileless, interfaces: bridge, store: known(storeOf([PEER])) },
      ],
      [
        "networks",
        "fail",
        /overlaps 10\.5\.2\.0\/24 of cni0/,
        { interfaces: known([interfaceOf("eth0", "192.168.77.11/24"), interfaceOf("cni0", "10.5.2.1/24")]) },
      ],
      [
        "networks",
        "fail",
        /overlaps 10\.5\.7\.0\/24 of eth1/,
        { interfaces: known([interfaceOf("eth1", "10.5.7.1/24")]) },
      ],
      [
        "networks",
        "warn",
        /part of 10\.0\.0\.0\/8, which this host routes by eth1/,
        { routes: [{ dst: "10.0.0.0/8" as Prefix4, dev: ETH1 }] },
      ],
      ["networks", "ok", /overlaps no network/, { routes: [{ dst: "10.0.0.0/8" as Prefix4, dev: NOWHERE }] }],
    ]);
    const overlap = { asking: ["--etcd-prefix=/blue"], interfaces: known([interfaceOf("eth1", "10.5.7.1/24")]) };
    assert.match(finding("networks", overlap).remedy ?? "", /\(flanneld config set --etcd-prefix=\/blue\)/);
  });
});
