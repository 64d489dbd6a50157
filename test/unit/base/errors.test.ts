import assert from "node:assert/strict";
import { test } from "node:test";
import { exitStatusOf, FlannelError, isError, isRetryable, messageOf } from "../../../src/base/errors.ts";

test("the message is a sentence made from the code and what belongs to it", () => {
  const error = new FlannelError("config.invalid", { at: "$.SubnetLen", reason: "SubnetLen must be less than /31" });
  assert.equal(error.message, "$.SubnetLen: SubnetLen must be less than /31");
  const missing = new FlannelError("interface.not-found", { reason: "no interface eth9", existing: [] });
  assert.equal(missing.message, "no interface eth9; the host has no interface with a usable address");
  const problems = new FlannelError("usage.invalid", { problems: ["one", "two"] });
  assert.equal(problems.message, "one\ntwo");
  const errno = new FlannelError("netlink.errno", { op: "route 10.5.1.0/24", errno: "EINVAL", message: null });
  assert.equal(errno.message, "the kernel refused route 10.5.1.0/24: EINVAL");
});

test("an error is known by its code", () => {
  const error: unknown = new FlannelError("address.invalid", { text: "x", wanted: "an IPv4 address" });
  assert.equal(isError(error, "address.invalid"), true);
  assert.equal(isError(error, "config.invalid"), false);
  assert.equal(isError(new Error("x"), "address.invalid"), false);
  assert.equal(messageOf(error), '"x" is not an IPv4 address');
  assert.equal(messageOf("text"), "text");
});

test("only what passes by itself is tried again", () => {
  assert.equal(isRetryable(new FlannelError("etcd.unavailable", { op: "list", reason: "refused" })), true);
  assert.equal(isRetryable(new FlannelError("netlink.malformed", { what: "", offset: 0 })), false);
  assert.equal(isRetryable(new Error("bug")), false);
});

test("the exit status tells the supervisor whether a restart can help", () => {
  assert.equal(exitStatusOf(new FlannelError("usage.invalid", { problems: [] })), 64);
  assert.equal(exitStatusOf(new FlannelError("config.invalid", { at: "$", reason: "" })), 78);
  assert.equal(exitStatusOf(new FlannelError("privilege.missing", { capability: "CAP_NET_ADMIN" })), 77);
  assert.equal(exitStatusOf(new FlannelError("netlink.malformed", { what: "", offset: 0 })), 75);
  assert.equal(exitStatusOf(new FlannelError("request.refused", { reason: "", hint: null })), 65);
  assert.equal(exitStatusOf(new FlannelError("output.failed", { reason: "" })), 74);
  assert.equal(exitStatusOf(new FlannelError("file.unwritable", { path: "", reason: "" })), 74);
  assert.equal(exitStatusOf(new FlannelError("request.overtaken", { what: "" })), 75);
  assert.equal(exitStatusOf(new TypeError("bug")), 1);
});
