import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { isForwarding } from "../../src/netlink/forwarding.ts";
import { whyNotHere } from "../support/namespace.ts";

describe("forwarding", { skip: whyNotHere() }, () => {
  it("is what the setting of this network namespace says", async () => {
    for (const value of ["1", "0", "1"]) {
      writeFileSync("/proc/sys/net/ipv4/ip_forward", value);
      assert.equal(await isForwarding("ipv4"), value === "1");
      writeFileSync("/proc/sys/net/ipv6/conf/all/forwarding", value === "1" ? "0" : "1");
      assert.equal(await isForwarding("ipv6"), value !== "1");
    }
  });
});
