import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ownerOf } from "../../../lab/cleanup.ts";

describe("ownerOf", () => {
  it("finds the maker's process id in the name of a run", () => {
    assert.equal(ownerOf("flpd"), 913);
    assert.equal(ownerOf("flpd.2"), 913);
  });

  it("is null for names that are not a run's, so that nobody else's namespace is touched", () => {
    for (const name of ["", "fl", "flannel.1", "fl-h1", "flPD", "xflpd", "cni-1234", "fl0"]) {
      assert.equal(ownerOf(name), null, name);
    }
  });
});
