import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { codeOf, errnoName } from "../../../src/netlink/errno.ts";

describe("errnoName()", () => {
  it("uses the kernel's name", () => {
    assert.deepEqual([1, 11, 17, 19, 95, 99, 101, 105].map(errnoName), [
      "EPERM",
      "EAGAIN",
      "EEXIST",
      "ENODEV",
      "EOPNOTSUPP",
      "EADDRNOTAVAIL",
      "ENETUNREACH",
      "ENOBUFS",
    ]);
  });

  it("gives the number of an error that has no name in user space", () => {
    assert.equal(errnoName(524), "errno 524");
  });
});

describe("codeOf()", () => {
  it("reads the code that Node and the addon put on an error, and nothing else", () => {
    assert.equal(codeOf(Object.assign(new Error("no"), { code: "EBADF" })), "EBADF");
    assert.equal(codeOf(new TypeError("bug")), null);
    assert.equal(codeOf("EBADF"), null);
  });
});
