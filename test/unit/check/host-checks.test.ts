import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createBackend } from "../../../src/backends/registry.ts";
import type { EpochMillis } from "../../../src/base/brand.ts";
import type { Prefix4 } from "../../../src/base/ip.ts";
import { causeOf, outcomeOf, runChecks } from "../../../src/check/checks.ts";
import { known, unknown } from "../../../src/check/facts.ts";
import { expectAll, finding } from "../../support/findings.ts";
import { NEVER_RUN, NOW, recordOf, storeOf, wellFacts } from "../../support/well-facts.ts";

const udp = { backends: [{ backend: createBackend({ type: "udp", options: {} }), port: 8285 }] };
const full = (entries: number) => ({ neighbours: known({ entries, limit: 1024 }) });

/** With public addresses from there on, which the interface is on the link of. */
function manyHosts(count: number, from: string) {
  const addressOf = (index: number) => `${from}.${Math.floor(index / 250)}.${(index % 250) + 1}`;
  const leases = Array.from({ length: count }, (_, index) => recordOf(`10.5.${index % 250}.0/24`, addressOf(index)));
  const { underlay } = wellFacts();
  assert.ok(underlay.known);
  return {
    store: known(storeOf(leases)),
    underlay: known({ ...underlay.value, onLink: ["192.168.0.0/16" as Prefix4] }),
  };
}

describe("a check of the host", () => {
  it("tells what is missing, and what it cannot see", () => {
    const IPV6 = "net.ipv6.conf.all.forwarding";
    const on = { "net.ipv4.ip_forward": "1" };
    const dual = { families: ["ipv4", "ipv6"] } as const;
    const user = { isRoot: false, netAdmin: false, netRaw: false };
    expectAll([
      ["privileges", "skip", /lacks CAP_NET_ADMIN and CAP_NET_RAW.*run the same as root, with sudo$/, { user }],
      ["privileges", "fail", /root lacks CAP_NET_ADMIN here/, { user: { ...user, isRoot: true, netRaw: true } }],
      ["privileges", "warn", /nothing can be pinged/, { user: { isRoot: true, netAdmin: true, netRaw: false } }],
      ["kernel", "fail", /no vxlan devices: its module vxlan is missing/, { vxlan: known(false) }],
      ["kernel", "warn", /no vxlan devices/, { vxlan: known(false), isBackendKnown: false }],
      ["kernel", "ok", /what udp needs/, { ...udp, vxlan: known(false) }],
      [
        "kernel",
        "fail",
        /no TUN devices.*: what is at .* not the device$/,
        { ...udp, tun: known("what is at /dev/net/tun is not the device") },
      ],
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
      ["ip-forward", "ok", /^net\.ipv4\.ip_forward is on and .* is on$/, { ...dual, sysctls: { ...on, [IPV6]: "1" } }],
      ["ip-forward", "ok", /^net\.ipv6.* is on$/, { families: ["ipv6"], sysctls: { [IPV6]: "1" } }],
      ["daemon", "ok", /no flanneld runs here/, NEVER_RUN],
      ["daemon", "ok", /process 4711 runs here; a second one/, {}],
      ["neighbours", "warn", /900 of 1024 entries/, full(902)],
      [
        "neighbours",
        "ok",
        /^the neighbour table has 25 of 1024 entries$/,
        { ...manyHosts(1000, "10.9"), ...full(1025) },
      ],
      ["neighbours", "ok", /has 30 of 1024/, { ...manyHosts(2000, "10.9"), ...full(2030) }],
      ["neighbours", "warn", /has 900 of 1024 entries/, { ...manyHosts(1000, "10.9"), ...full(1900) }],
      ["neighbours", "warn", /has 1000 of 1024/, { ...manyHosts(1000, "10.9"), ...full(1000), links: NEVER_RUN.links }],
      [
        "neighbours",
        "warn",
        /1100 hosts with a lease are on this link$/,
        { ...manyHosts(1100, "192.168"), ...full(1150) },
      ],
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
    const skipped = ["interface", "networks", "backend", "port", "rp-filter", "mtu", "neighbours"];
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
        { ...NEVER_RUN, ...running("/other", "/x") },
      ],
      ["daemon", "ok", /^process 4711 runs here, and is looked at with its --iface;/, { adopted: ["--iface"] }],
    ]);
  });

  it("does not miss a flanneld that it cannot see, and whose lock it does", () => {
    const unseen = (prefix: string) => ({ daemons: known([{ pid: null, prefix, settings: {}, root: "" }]) });
    const ours = unseen("/coreos.com/network");
    const holder = "the kernel itself, for a device such as one of vxlan, or a process that is not visible here";
    const port = { ...udp, ports: [{ port: 8285, holder }] };
    expectAll([
      // It has left the same as one that has ended.
      [
        "daemon",
        "ok",
        /^a flanneld runs here whose .* it holds the lock of \/coreos\.com\/network, .*be refused$/,
        ours,
      ],
      ["daemon", "warn", /^no .*; others do: one that cannot be seen \(for \/other\), and one did/, unseen("/other")],
      ["port", "ok", /nobody else/, { ...port, ...ours }],
      ["port", "fail", /taken by the kernel itself/, { ...port, ...unseen("/other") }],
      ["port", "fail", /process 99/, { ...port, ...ours, ports: [{ port: 8285, holder: "process 99 (nc)" }] }],
    ]);
  });

  it("says how the last daemon has ended where none runs", () => {
    const lastEnd = { at: (NOW - 125_000) as EpochMillis, message: "backend udp cannot run here" };
    expectAll([
      ["daemon", "ok", /^no flanneld runs here$/, NEVER_RUN],
      [
        "daemon",
        "ok",
        /^no flanneld runs here; the last one ended 2m05s ago: backend udp cannot run here$/,
        { ...NEVER_RUN, lastEnd },
      ],
      ["daemon", "ok", /^process 4711 runs here;/, { lastEnd }],
    ]);
  });

  it("warns of a host on which one has run since the last boot, by what it has left", () => {
    const gone = { daemons: known([]) };
    const { links } = NEVER_RUN;
    const { subnetFile } = wellFacts();
    const early = { ...subnetFile, isOfThisBoot: false };
    const lastEnd = { at: (NOW - 125_000) as EpochMillis, message: "no interface" };
    const others = known([{ pid: 9, prefix: "/other", settings: {}, root: "" }]);
    const unknownNetwork = { network: unknown("there is no network config"), isBackendKnown: false };
    expectAll([
      ["daemon", "warn", /^no .* here, and one did: flannel\.1 and \/run\/\S+ are still there, .*: journalctl/, gone],
      ["daemon", "warn", /; it was killed: journalctl -u flanneld$/, { ...gone, wasKilled: true }],
      ["daemon", "warn", /; the last one ended 2m05s ago: no interface$/, { ...gone, lastEnd }],
      ["daemon", "warn", /: flannel\.1 is still there,/, { ...gone, subnetFile: early }],
      ["daemon", "warn", /: \/run\/flannel\/subnet\.env is still there,/, { ...gone, links }],
      ["daemon", "ok", /^no flanneld runs here$/, { ...gone, links, subnetFile: early }],
      // Of a daemon of another network.
      ["daemon", "ok", /^no/, { ...gone, links, subnetFile: { ...subnetFile, subnet: "10.9.1.0/24" as Prefix4 } }],
      ["daemon", "ok", /; others do: process 9/, { links, daemons: others, ...unknownNetwork }],
      ["daemon", "warn", /subnet\.env is still there/, { ...gone, links, ...unknownNetwork }],
    ]);
    assert.equal(finding("daemon", gone).remedy, "systemctl start flanneld");
  });

  it("tells who has the port, unless that is flanneld itself", () => {
    const ofOther = { daemons: known([{ pid: 4711, prefix: "/other", settings: {}, root: "" }]) };
    const held = (holder: string) => ({ ...udp, ports: [{ port: 8285, holder }] });
    expectAll([
      ["port", "fail", /UDP port 8285, which flanneld needs, is taken by process 99 \(nc\)/, held("process 99 (nc)")],
      ["port", "ok", /nobody else has UDP port 8285/, held("process 4711 (flanneld)")],
      [
        "port",
        "fail",
        /8285, which flanneld needs, is taken by process 4711 \(flanneld\)/,
        { ...held("process 4711 (flanneld)"), ...ofOther },
      ],
      [
        "port",
        "fail",
        /8472, which flanneld needs, is taken by process 4711 \(flanneld\)/,
        { ports: [{ port: 8472, holder: "process 4711 (flanneld)" }] },
      ],
      ["port", "fail", /8472.*taken by the kernel itself/, { links: known([]) }],
    ]);
    const { remedy, command } = finding("port", held("process 99 (nc)"));
    assert.match(remedy ?? "", /^stop that program \(kill 99\), or set another "Port"/);
    assert.equal(command, null, "it is somebody's");
  });
});
