import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { controlSocketPath, isControlSocketName, isTooLong } from "../../../src/control/path.ts";

describe("the place of the control socket", () => {
  it("is beside the subnet file, under a name of its own for each", () => {
    assert.equal(controlSocketPath(null, "/run/flannel/subnet.env"), "/run/flannel/flanneld.sock");
    assert.equal(controlSocketPath(null, "/run/flannel/blue.env"), "/run/flannel/flanneld-blue.sock");
    assert.equal(controlSocketPath(null, "/run/blue/subnet.env"), "/run/blue/flanneld.sock");
    assert.equal(controlSocketPath(null, "subnet"), "flanneld.sock");
  });

  it("is where the operator says, or nowhere", () => {
    assert.equal(controlSocketPath("/run/x.sock", "/run/flannel/subnet.env"), "/run/x.sock");
    assert.equal(controlSocketPath("none", "/run/flannel/subnet.env"), null);
  });

  it("is found by its name", () => {
    const found = ["flanneld.sock", "flanneld-blue.sock", "docker.sock", "flanneld", "xflanneld.sock"];
    assert.deepEqual(found.filter(isControlSocketName), ["flanneld.sock", "flanneld-blue.sock"]);
  });

  it("is no path that the kernel would cut", () => {
    assert.equal(isTooLong(`/${"a".repeat(106)}`), false);
    assert.equal(isTooLong(`/${"a".repeat(107)}`), true);
  });
});
