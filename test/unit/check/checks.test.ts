import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { millis } from "../../../src/base/brand.ts";
import { CHECKS, causeOf, outcomeOf, runChecks } from "../../../src/check/checks.ts";
import { type Facts, known, unknown } from "../../../src/check/facts.ts";
import { DEAD, PEER, peerOf, storeOf, wayOf, wellFacts } from "../../support/well-facts.ts";

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
      subnetFile: { path: "/x", subnet: null, subnet6: null, mtu: null, isOfThisBoot: true },
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

  it("is what only warns where that explains why nothing comes through the overlay", () => {
    const dead = [wayOf("underlay", "192.168.77.12"), wayOf("overlay", "10.5.2.0", DEAD)];
    const peers = [peerOf(PEER, { ways: dead })];
    const limit = "-A INPUT -p udp -m udp --dport 8472 -m hashlimit --hashlimit-above 1/hour -j DROP";
    const rules = known({ iptables: { iptables: `*filter\n:INPUT ACCEPT [0:0]\n${limit}\nCOMMIT\n` }, nftables: null });
    const clocks = [{ endpoint: "x", ahead: millis(99_000) }];
    const causes: readonly (readonly [string, Partial<Facts>])[] = [
      ["overlay", { peers }],
      ["overlay", { peers, clocks }],
      ["input-rules", { peers, clocks, rules }],
      ["daemon", { peers, daemons: known([]) }],
      ["ip-forward", { peers, rules, sysctls: { "net.ipv4.ip_forward": "0" } }],
    ];
    for (const [name, change] of causes) {
      const checked = runChecks(wellFacts(change));
      assert.deepEqual([outcomeOf(checked), causeOf(checked)?.name], ["broken", name]);
    }
  });
});
