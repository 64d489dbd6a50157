import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isError } from "../../../src/base/errors.ts";
import { formatMac, isUnicastMac, type Mac, macOctets, parseMac, randomMac } from "../../../src/base/mac.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";

test("a MAC address is six octets with colons, in lower case", () => {
  assert.equal(parseMac("C6:D2:32:6F:8f:44"), "c6:d2:32:6f:8f:44");
  for (const text of [
    "",
    "c6-d2-32-6f-8f-44",
    "c6:d2:32:6f:8f",
    "c6:d2:32:6f:8f:44:00",
    "c6:d2:32:6f:8f:4g",
    "6:d2:32:6f:8f:44",
  ]) {
    assert.throws(
      () => parseMac(text),
      (error) => isError(error, "address.invalid"),
      text,
    );
  }
});

test("octets and text are the same address", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (octets) => {
      const mac = formatMac(octets);
      assert.deepEqual(macOctets(mac), octets);
      assert.equal(parseMac(mac), mac);
    }),
  );
});

test("a random MAC address is locally administered and belongs to one host", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const mac = randomMac(createSeededRandom(seed));
      assert.equal(parseMac(mac), mac);
      assert.equal((macOctets(mac)[0] ?? 0) & 0b11, 0b10);
      assert.equal(isUnicastMac(mac), true);
    }),
  );
});

test("group addresses and the zero address belong to no host", () => {
  for (const mac of ["01:00:5e:00:00:01", "33:33:00:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"]) {
    assert.equal(isUnicastMac(mac as Mac), false, mac);
  }
});
