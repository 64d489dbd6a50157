import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createBackend } from "../../../src/backends/registry.ts";
import { type EpochMillis, millis } from "../../../src/base/brand.ts";
import type { Prefix4 } from "../../../src/base/ip.ts";
import { CHECKS, causeOf, outcomeOf, runChecks } from "../../../src/check/checks.ts";
import { type Facts, known, unknown } from "../../../src/check/facts.ts";
import type { CheckVerdict } from "../../../src/check/finding.ts";
import type { LinkName } from "../../../src/net/objects.ts";
import {
  DEAD,
  interfaceOf,
  NOW,
  networkOf,
  OWN,
  PEER,
  peerOf,
  recordOf,
  storeOf,
  untilIn,
  wayOf,
  wellFacts,
} from "../../support/well-facts.ts";

const DAY = 86_400_000;
const ETH1 = "eth1" as LinkName;
const NOWHERE = "*" as LinkName;

/** What is changed about a host on which all is well, and what the check of this name then says. */
type Case = readonly [name: string, verdict: CheckVerdict, sentence: RegExp, change: Partial<Facts>];

function finding(name: string, change: Partial<Facts>) {
  const found = runChecks(wellFacts(change)).find((one) => one.name === name);
  assert.ok(found, name);
  return found;
}

function expectAll(cases: readonly Case[]): void {
  for (const [name, verdict, sentence, change] of cases) {
    const found = finding(name, change);
    assert.match(found.sentence, sentence, name);
    assert.equal(found.verdict, verdict, found.sentence);
    assert.equal(found.remedy !== null, verdict === "warn" || verdict === "fail", found.sentence);
    assert.ok(!found.sentence.includes("\n"), found.sentence);
  }
}

const certificate = (days: number, whose: "client" | "server" = "client") =>
  known([
    { whose, name: "the client certificate /c.pem (--etcd-certfile)", expires: (NOW + days * DAY) as EpochMillis },
  ]);
const udp = { backends: [{ backend: createBackend({ type: "udp", options: {} }), port: 8285 }] };
const rules = (iptables: Readonly<Record<string, string>>, items: readonly object[] = []) => ({
  rules: known({ iptables, nftables: JSON.stringify({ nftables: items }) }),
});
const filter = (text: string) => rules({ iptables: `*filter\n${text}\nCOMMIT\n` });
const chain = (hook: string, policy: string) => ({
  chain: { family: "inet", table: "fw", name: "c", handle: 1, type: "filter", hook, prio: 0, policy },
});
const rule = (...expr: readonly object[]) => ({ rule: { family: "inet", table: "fw", chain: "c", handle: 7, expr } });
const dport = (right: unknown, op = "==") => ({
  match: { op, left: { payload: { protocol: "udp", field: "dport" } }, right },
});

describe("a host on which all is well", () => {
  it("passes every check", () => {
    const checked = runChecks(wellFacts());
    assert.deepEqual(
      checked.filter(({ verdict }) => verdict !== "ok"),
      [],
    );
    assert.deepEqual([outcomeOf(checked), causeOf(checked)], ["fine", null]);
    assert.equal(new Set(CHECKS.map(({ name }) => name)).size, CHECKS.length);
  });

  it("passes them before anything is installed, too", () => {
    const bare = { daemons: known([]), store: known(storeOf([], null)), peers: [], nodeId: null, ports: [] };
    const none = {
      ...bare,
      links: known([]),
      routes: [],
      subnetFile: { path: "/x", subnet: null, subnet6: null, mtu: null },
    };
    const checked = runChecks(
      wellFacts({ ...none, network: unknown("there is no network config"), isBackendKnown: false }),
    );
    assert.deepEqual(
      checked.filter(({ verdict }) => verdict === "fail").map(({ name }) => name),
      ["config"],
    );
  });
});

describe("the cause", () => {
  it("is the first that fails, before whatever only warns", () => {
    const checked = runChecks(
      wellFacts({ clocks: [{ endpoint: "x", ahead: millis(99_000) }], sysctls: { "net.ipv4.ip_forward": "0" } }),
    );
    assert.deepEqual([outcomeOf(checked), causeOf(checked)?.name], ["broken", "ip-forward"]);
    const warned = runChecks(wellFacts({ clocks: [{ endpoint: "x", ahead: millis(99_000) }] }));
    assert.deepEqual([outcomeOf(warned), causeOf(warned)?.name], ["degraded", "clock"]);
  });
});

describe("a check of the host", () => {
  it("tells what is missing, and what it cannot see", () => {
    const IPV6 = "net.ipv6.conf.all.forwarding";
    const on = { "net.ipv4.ip_forward": "1" };
    const dual = { families: ["ipv4", "ipv6"] } as const;
    const user = { isRoot: false, netAdmin: false, netRaw: false };
    expectAll([
      ["privileges", "skip", /lacks CAP_NET_ADMIN and CAP_NET_RAW.*sudo flanneld check/, { user }],
      ["privileges", "fail", /root lacks CAP_NET_ADMIN here/, { user: { ...user, isRoot: true, netRaw: true } }],
      ["privileges", "warn", /nothing can be pinged/, { user: { isRoot: true, netAdmin: true, netRaw: false } }],
      ["kernel", "fail", /no vxlan devices: its module vxlan is missing/, { vxlan: known(false) }],
      ["kernel", "warn", /no vxlan devices/, { vxlan: known(false), isBackendKnown: false }],
      ["kernel", "ok", /what udp needs/, { ...udp, vxlan: known(false) }],
      ["kernel", "fail", /no TUN devices.*module tun is missing/, { ...udp, tun: known("the module tun is missing") }],
      ["kernel", "skip", /not known: only root/, { vxlan: unknown("only root may ask the kernel") }],
      ["ip-forward", "fail", /forwards no packets/, { sysctls: { "net.ipv4.ip_forward": "0" } }],
      ["ip-forward", "skip", /cannot be read/, { sysctls: {} }],
      ["ip-forward", "fail", /forwards no IPv6 packets/, { ...dual, sysctls: { ...on, [IPV6]: "0" } }],
      [
        "ip-forward",
        "fail",
        /forwards no IPv4 packets/,
        { ...dual, sysctls: { "net.ipv4.ip_forward": "0", [IPV6]: "1" } },
      ],
      ["ip-forward", "ok", /^net\.ipv4\.ip_forward and .* are on$/, { ...dual, sysctls: { ...on, [IPV6]: "1" } }],
      ["ip-forward", "ok", /^net\.ipv6.* is on$/, { families: ["ipv6"], sysctls: { [IPV6]: "1" } }],
      ["daemon", "ok", /no flanneld runs here/, { daemons: known([]) }],
      ["daemon", "ok", /process 4711 runs here; a second one/, {}],
      ["neighbours", "warn", /900 of 1024 entries/, { neighbours: known({ entries: 900, limit: 1024 }) }],
      ["offload", "skip", /there is no ethtool/, { offload: unknown("there is no ethtool here") }],
      [
        "offload",
        "ok",
        /fills in checksums itself \(tx-checksum-ip-generic\)/,
        { offload: known({ "tx-checksum-ip-generic": true }) },
      ],
    ]);
  });

  it("skips what the kernel does not say, and calls nothing wrong for it", () => {
    const refused = unknown("the kernel refused reading links: EINTR");
    const facts = { links: refused, interfaces: refused, underlay: refused, neighbours: refused };
    const checked = runChecks(wellFacts(facts));
    assert.deepEqual([outcomeOf(checked), causeOf(checked)], ["fine", null]);
    const skipped = ["interface", "networks", "port", "rp-filter", "mtu", "neighbours"];
    assert.deepEqual(
      checked.filter(({ verdict }) => verdict === "skip").map(({ name }) => name),
      skipped,
    );
    for (const name of skipped.filter((one) => one !== "mtu")) assert.match(finding(name, facts).sentence, /EINTR$/);
  });

  it("lets each network have a flanneld, and none two", () => {
    const ours = "/coreos.com/network";
    const running = (...prefixes: readonly (string | null)[]) => ({
      daemons: known(prefixes.map((prefix, index) => ({ pid: 4711 + index, prefix, settings: {}, root: "" }))),
    });
    const doubled = finding("daemon", running(ours, "/other", ours));
    assert.match(
      doubled.sentence,
      /more than one flanneld runs here for \/coreos\.com\/network.*process 4711 \(.*4713/,
    );
    assert.deepEqual([doubled.verdict, doubled.remedy], ["fail", "kill 4713"]);
    expectAll([
      ["daemon", "ok", /^process 4711 runs here;.*beside it: process 4712 \(for \/other\)$/, running(ours, "/other")],
      ["daemon", "ok", /beside it: process 4712 \(for a network that is not known\)$/, running(ours, null)],
      [
        "daemon",
        "ok",
        /^no flanneld runs here for \/coreos\.com\/network; others do: process/,
        running("/other", "/x"),
      ],
      ["daemon", "ok", /^process 4711 runs here, and is looked at with its --iface;/, { adopted: ["--iface"] }],
    ]);
  });

  it("says how the last daemon has ended where none runs", () => {
    const lastEnd = { at: (NOW - 125_000) as EpochMillis, message: "backend udp cannot run here" };
    expectAll([
      ["daemon", "ok", /^no flanneld runs here$/, { daemons: known([]) }],
      [
        "daemon",
        "ok",
        /^no flanneld runs here; the last one ended 2m05s ago: backend udp cannot run here$/,
        { daemons: known([]), lastEnd },
      ],
      ["daemon", "ok", /^process 4711 runs here;/, { lastEnd }],
    ]);
  });

  it("tells who has the port, unless that is flanneld itself", () => {
    const held = (holder: string) => ({ ...udp, ports: [{ port: 8285, holder }] });
    expectAll([
      ["port", "fail", /UDP port 8285, which flanneld needs, is taken by process 99 \(nc\)/, held("process 99 (nc)")],
      ["port", "ok", /nobody else has UDP port 8285/, held("process 4711 (flanneld)")],
      ["port", "fail", /8472.*taken by the kernel itself/, { links: known([]) }],
    ]);
    assert.equal(finding("port", held("process 99 (nc)")).remedy, "kill 99");
  });
});

describe("a check of etcd", () => {
  it("tells what is wrong there, or cannot be asked", () => {
    const down = unknown("etcd did not answer (reading): connection refused");
    const endpoints = ["https://192.168.77.2:2379", "https://192.168.77.3:2379"];
    assert.match(
      finding("etcd", { store: down, endpoints }).remedy ?? "",
      /^etcdctl --endpoints=https:\/\/192\.168\.77\.2:2379,https:\/\/192\.168\.77\.3:2379 endpoint health;/,
    );
    const cramped = networkOf('{"Network": "10.5.0.0/22", "SubnetLen": 24}');
    const full = ["10.5.1.0/24", "10.5.2.0/24", "10.5.3.0/24"].map((subnet, n) => recordOf(subnet, `10.0.0.${n}`));
    expectAll([
      ["etcd", "fail", /connection refused/, { store: down }],
      ["config", "skip", /without etcd/, { store: down }],
      ["subnets", "skip", /without etcd/, { store: down }],
      ["public-ip", "skip", /without etcd/, { store: down }],
      ["peers", "skip", /without etcd/, { store: down, peers: [] }],
      [
        "config",
        "fail",
        /no network config/,
        { store: known(storeOf([], null)), network: unknown("there is no network config") },
      ],
      ["certificates", "fail", /expired at 2023-12-31T00:00:00/, { certificates: certificate(-1) }],
      ["certificates", "warn", /expires at 2024-01-03/, { certificates: certificate(2) }],
      ["certificates", "ok", /last until 2024-03/, { certificates: certificate(80) }],
      ["certificates", "fail", /no such file/, { certificates: unknown("cannot read: no such file") }],
      ["clock", "warn", /99 s behind that of x/, { clocks: [{ endpoint: "x", ahead: millis(-99_000) }] }],
      ["clock", "skip", /no etcd server/, { clocks: [] }],
      [
        "subnets",
        "fail",
        /all 3 subnets of 10\.5\.0\.0\/22 are leased, and this host has none/,
        {
          store: known(storeOf(full)),
          network: known(cramped),
          subnetFile: { path: "", subnet: null, subnet6: null, mtu: null },
        },
      ],
      ["subnets", "warn", /only 0 of 3/, { store: known(storeOf([...full.slice(1), OWN])), network: known(cramped) }],
    ]);
  });

  it("tells a host that has this one's address, and two records of one address", () => {
    const rival = recordOf("10.5.9.0/24", OWN.attrs.publicIp, "c".repeat(32));
    expectAll([
      [
        "public-ip",
        "fail",
        /another host \(node id c{32}\) has the public IP 192\.168\.77\.11.*10\.5\.9\.0\/24/,
        { store: known(storeOf([rival, PEER])) },
      ],
      [
        "public-ip",
        "warn",
        /192\.168\.77\.12 has more than one lease: 10\.5\.2\.0\/24, 10\.5\.3\.0\/24/,
        { store: known(storeOf([OWN, PEER, recordOf("10.5.3.0/24", "192.168.77.12")])) },
      ],
      ["public-ip", "ok", /nobody else/, { store: known(storeOf([recordOf("10.5.1.0/24", "192.168.77.11")])) }],
    ]);
  });
});

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
      ["interface", "fail", /no route to 192\.168\.77\.12/, { peers: [peerOf(PEER, { way: null })] }],
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
        { subnetFile: { path: "/run/flannel/subnet.env", subnet: null, subnet6: null, mtu: 8950 } },
      ],
      [
        "mtu",
        "warn",
        /subnet\.env says an MTU of 1400/,
        { subnetFile: { path: "/run/flannel/subnet.env", subnet: null, subnet6: null, mtu: 1400 } },
      ],
    ]);
  });

  it("tells networks that overlap", () => {
    const own = { subnetFile: { path: "", subnet: "10.5.1.0/24" as Prefix4, subnet6: null, mtu: null } };
    const fileless = { subnetFile: { path: "", subnet: null, subnet6: null, mtu: null } };
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
  });
});

describe("a check of the firewall", () => {
  it("tells a policy that drops what is forwarded, unless a rule accepts it", () => {
    const shut = ":FORWARD DROP [0:0]";
    expectAll([
      ["forward-rules", "fail", /policy of FORWARD is DROP in iptables, and no rule accepts/, filter(shut)],
      [
        "forward-rules",
        "ok",
        /not dropped/,
        filter(`${shut}\n-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD`),
      ],
      ["forward-rules", "ok", /not dropped/, filter(`${shut}\n-A FORWARD -s 10.5.0.0/16 -j ACCEPT`)],
      ["forward-rules", "fail", /no rule accepts/, filter(`${shut}\n-A FORWARD -s 10.6.0.0/16 -j ACCEPT`)],
      ["forward-rules", "ok", /not dropped/, filter(":FORWARD ACCEPT [0:0]")],
      [
        "forward-rules",
        "fail",
        /nftables chain inet fw c drops what is forwarded/,
        rules({}, [chain("forward", "drop")]),
      ],
      ["forward-rules", "ok", /not dropped/, rules({}, [chain("forward", "drop"), rule({ accept: null })])],
      ["forward-rules", "skip", /only root/, { rules: unknown("only root") }],
    ]);
  });

  it("tells a rule or a policy that drops the port, and how to take it away", () => {
    const drop = "-A INPUT -p udp -m udp --dport 8472 -j DROP";
    expectAll([
      [
        "input-rules",
        "fail",
        /UDP port 8472.*is dropped here: iptables -t filter -A INPUT/,
        filter(`:INPUT ACCEPT [0:0]\n${drop}`),
      ],
      ["input-rules", "ok", /no rule here/, filter(":INPUT ACCEPT [0:0]\n-A INPUT -p udp -m udp --dport 53 -j DROP")],
      [
        "input-rules",
        "fail",
        /not let in: the policy of INPUT is DROP/,
        filter(":INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"),
      ],
      [
        "input-rules",
        "ok",
        /no rule here/,
        filter(":INPUT DROP [0:0]\n-A INPUT -p udp -m udp --dport 8000:9000 -j ACCEPT"),
      ],
      [
        "input-rules",
        "fail",
        /dropped here: nftables inet fw c/,
        rules({}, [chain("input", "accept"), rule(dport(8472), { drop: null })]),
      ],
      [
        "input-rules",
        "fail",
        /dropped here/,
        rules({}, [chain("prerouting", "accept"), rule(dport({ set: [53, { range: [8000, 9000] }] }), { drop: null })]),
      ],
      [
        "input-rules",
        "ok",
        /no rule here/,
        rules({}, [chain("input", "accept"), rule(dport(8472, "!="), { drop: null })]),
      ],
      ["input-rules", "fail", /policy of the nftables chain inet fw c is drop/, rules({}, [chain("input", "drop")])],
      ["input-rules", "ok", /no rule here/, rules({}, [chain("input", "drop"), rule(dport(8472), { accept: null })])],
    ]);
    assert.equal(
      finding("input-rules", filter(`:INPUT ACCEPT [0:0]\n${drop}`)).remedy,
      `iptables -t filter ${drop.replace("-A", "-D")}`,
    );
    const nft = rules({}, [chain("input", "accept"), rule(dport(8472), { drop: null })]);
    assert.equal(finding("input-rules", nft).remedy, "nft delete rule inet fw c handle 7");
  });

  it("warns of a port that is dropped for some packets: whoever lets only its hosts in has such a rule", () => {
    const drop = "-p udp -m udp --dport 8472 -j DROP";
    const port = (...more: readonly object[]) => rule(...more, dport(8472), { drop: null });
    const eth1 = { match: { op: "==", left: { meta: { key: "iifname" } }, right: "eth1" } };
    const saddr = {
      match: { op: "==", left: { payload: { protocol: "ip", field: "saddr" } }, right: "192.168.77.12" },
    };
    const some = /is dropped here for some packets: /;
    expectAll([
      ["input-rules", "warn", some, filter(`-A INPUT ! -s 10.0.0.0/8 ${drop}`)],
      ["input-rules", "warn", some, filter(`-A INPUT -i eth1 ${drop}`)],
      [
        "input-rules",
        "warn",
        some,
        filter(`-A INPUT -s 10.0.0.0/8 -p udp -m udp --dport 8472 -j ACCEPT\n-A INPUT ${drop}`),
      ],
      [
        "input-rules",
        "fail",
        /is dropped here: .*-A PREROUTING/,
        filter(`-A INPUT -i eth1 ${drop}\n-A PREROUTING ${drop}`),
      ],
      [
        "input-rules",
        "fail",
        /is dropped here: /,
        filter(`-A INPUT -p udp -m multiport --dports 53,8472 -m comment --comment "no overlay" -j DROP`),
      ],
      ["input-rules", "warn", some, rules({}, [chain("input", "accept"), port(eth1)])],
      [
        "input-rules",
        "warn",
        some,
        rules({}, [chain("input", "accept"), rule(saddr, dport(8472), { accept: null }), port()]),
      ],
    ]);
  });

  it("reads what is no ruleset as none", () => {
    for (const text of ["", "{", "[]", '{"nftables": 1}', '{"nftables": [null, {"chain": null}]}']) {
      assert.equal(finding("input-rules", { rules: known({ iptables: {}, nftables: text }) }).verdict, "ok", text);
    }
  });
});

describe("a check of the peers", () => {
  const [underlay, overlay] = [PEER.attrs.publicIp, "10.5.2.0"];
  const gone = { ways: [wayOf("underlay", underlay, DEAD), wayOf("overlay", overlay, DEAD)] };
  const other = peerOf(recordOf("10.5.3.0/24", "192.168.77.13"));

  it("tells one that is gone from one that only does not answer", () => {
    expectAll([
      [
        "peers",
        "warn",
        /^the peer 192\.168\.77\.12 \(10\.5\.2\.0\/24\) does not answer$/,
        { peers: [peerOf(PEER, { ...gone, term: untilIn(20) }), other] },
      ],
      ["peers", "fail", /does not answer$/, { peers: [peerOf(PEER, gone)] }],
      [
        "peers",
        "warn",
        /^stale peer: 192\.168\.77\.12 does not answer, and its record for 10\.5\.2\.0\/24 was last renewed 23 h 30 min ago/,
        { peers: [peerOf(PEER, { ...gone, term: untilIn(0.5) }), other] },
      ],
      ["peers", "ok", /no other host/, { peers: [] }],
      ["peers", "skip", /not pinged: CAP_NET_RAW/, { unpinged: "CAP_NET_RAW" }],
    ]);
  });

  it("tells a dual-stack peer that answers in one family alone", () => {
    const ways = [wayOf("underlay", underlay, DEAD), wayOf("underlay", "fd77::12")];
    const both = peerOf(PEER, { ways });
    const sentence = /^192\.168\.77\.12 \(10\.5\.2\.0\/24\) does not answer over IPv4, and does over IPv6$/;
    expectAll([
      ["peers", "fail", sentence, { peers: [both] }],
      ["peers", "warn", sentence, { peers: [both, other] }],
    ]);
  });

  it("tells the port when only the overlay is silent", () => {
    const ways = [wayOf("underlay", underlay), wayOf("overlay", overlay, DEAD)];
    expectAll([
      [
        "overlay",
        "fail",
        /192\.168\.77\.12 \(10\.5\.2\.0\/24\) answers, but not through the overlay: UDP port 8472 is dropped/,
        { peers: [peerOf(PEER, { ways })] },
      ],
      ["peers", "ok", /answer/, { peers: [peerOf(PEER, { ways })] }],
      [
        "overlay",
        "skip",
        /no device of the overlay here yet/,
        { peers: [peerOf(PEER, { ways: [wayOf("underlay", underlay)] })] },
      ],
    ]);
  });

  it("says of an overlay that cannot be asked, or has no device, what is so", () => {
    const onUnderlay = [peerOf(PEER, { ways: [wayOf("underlay", underlay)] })];
    const hostGw = { backends: [{ backend: createBackend({ type: "host-gw", options: {} }), port: null }] };
    expectAll([
      ["overlay", "skip", /cannot be asked without etcd/, { store: unknown("no answer"), peers: [] }],
      ["overlay", "ok", /the backend host-gw sends packets as they are/, { ...hostGw, peers: onUnderlay }],
      ["overlay", "ok", /no other host has a lease yet/, { peers: [] }],
    ]);
  });

  it("tells how large packets may be, and whether larger ones vanish", () => {
    const narrow = (isSilent: boolean) => ({
      peers: [peerOf(PEER, { ways: [wayOf("underlay", underlay, { path: { mtu: 1400, isSilent } })] })],
    });
    expectAll([
      [
        "path-mtu",
        "warn",
        /more than 1400 bytes to 192\.168\.77\.12.*do not pass \(underlay, whose device sends up to 1500\)/,
        narrow(false),
      ],
      ["path-mtu", "fail", /vanish without a word/, narrow(true)],
    ]);
  });
});
