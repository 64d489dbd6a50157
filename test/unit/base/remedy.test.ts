import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { byCommand, byHand, formatRemedy, NO_REMEDY } from "../../../src/base/remedy.ts";
import { unknown } from "../../../src/check/facts.ts";
import { finding } from "../../support/findings.ts";

describe("what ends a trouble", () => {
  it("is told apart: a command, one that only looks, and words for a person", () => {
    assert.equal(formatRemedy(byCommand("modprobe vxlan")), "mend: modprobe vxlan");
    assert.equal(formatRemedy(byCommand("flanneld leases --etcd-prefix=/a")), "look: flanneld leases --etcd-prefix=/a");
    assert.equal(formatRemedy(byCommand("flanneld leases")), "look: flanneld leases");
    assert.equal(formatRemedy(byHand("widen the network")), "advice: widen the network");
    assert.equal(formatRemedy({ remedy: "modprobe vxlan" }), "mend: modprobe vxlan");
    assert.equal(formatRemedy(NO_REMEDY), null);
  });

  it("is a look where check can only say who knows more", () => {
    const down = finding("etcd", { store: unknown("no answer") });
    const invalid = finding("config", { network: unknown("$.Network: is missing") });
    for (const found of [down, invalid]) assert.match(formatRemedy(found) ?? "", /^look: /, found.sentence);
  });
});
