import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { millis } from "../../../src/base/brand.ts";
import { CHECKS, causeOf, outcomeOf, runChecks } from "../../../src/check/checks.ts";
import { known, unknown } from "../../../src/check/facts.ts";
import { storeOf, wellFacts } from "../../support/well-facts.ts";

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
});
