import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { editDistance, nearest } from "../../../src/cli/spelling.ts";

describe("nearest()", () => {
  it("finds what was meant", () => {
    assert.equal(nearest("etcd-endpoint", ["etcd-prefix", "etcd-endpoints"]), "etcd-endpoints");
    assert.equal(nearest("ifcae", ["iface", "v"]), "iface");
  });

  it("prefers the closest", () => {
    assert.equal(nearest("public-ipv4", ["public-ip", "public-ipv6"]), "public-ipv6");
  });

  it("does not guess when nothing is close", () => {
    assert.equal(nearest("logtostderr", ["log-format", "vmodule"]), null);
    assert.equal(nearest("x", ["iface"]), null);
  });
});

describe("editDistance()", () => {
  it("counts changes, additions, drops and swaps as one", () => {
    assert.equal(editDistance("iface", "iface"), 0);
    assert.equal(editDistance("iface", "ifacf"), 1);
    assert.equal(editDistance("iface", "ifaces"), 1);
    assert.equal(editDistance("iface", "ifce"), 1);
    assert.equal(editDistance("iface", "ifcae"), 1);
    assert.equal(editDistance("", "abc"), 3);
  });
});
