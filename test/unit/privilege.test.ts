import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { grantsCapability, hasCapability } from "../../src/privilege.ts";

function status(effective: string): string {
  return `Name:\tflanneld\nCapInh:\tffffffffffffffff\nCapEff:\t${effective}\nCapBnd:\tffffffffffffffff\n`;
}

describe("grantsCapability()", () => {
  it("looks at the bit of the capability in the effective set", () => {
    assert.equal(grantsCapability(status("000001ffffffffff"), "CAP_NET_ADMIN"), true);
    assert.equal(grantsCapability(status("0000000000001000"), "CAP_NET_ADMIN"), true);
    assert.equal(grantsCapability(status("0000000000001000"), "CAP_NET_RAW"), false);
    assert.equal(grantsCapability(status("000001ffffffefff"), "CAP_NET_ADMIN"), false);
    assert.equal(grantsCapability(status("0000000000000000"), "CAP_NET_ADMIN"), false);
  });

  it("grants nothing on a text without the line", () => {
    assert.equal(grantsCapability("Name:\tflanneld\nCapBnd:\tffffffffffffffff\n", "CAP_NET_ADMIN"), false);
  });
});

describe("hasCapability()", () => {
  it("answers for this process", async () => {
    assert.equal(typeof (await hasCapability("CAP_NET_ADMIN")), "boolean");
  });
});
