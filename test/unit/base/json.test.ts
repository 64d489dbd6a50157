import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  boolean,
  excerpt,
  integer,
  invalidMember,
  type Json,
  jsonObject,
  member,
  string,
  unknownMembers,
} from "../../../src/base/json.ts";
import { parseJson } from "../../../src/base/json-text.ts";

const backend = (text: string) => jsonObject(parseJson(text), "$.Backend");

describe("reading JSON members", () => {
  test("a member is found in any case, and the last spelling wins", () => {
    assert.equal(integer(backend('{"vni": 7}'), "VNI", { min: 1, default: 1 }), 7);
    assert.equal(integer(backend('{"VNI": 1, "vni": 2, "VNI": 3}'), "Vni", { min: 1, default: 1 }), 3);
    assert.equal(member(backend("{}"), "VNI"), undefined);
    assert.equal(member(backend('{"VNI": null}'), "VNI"), null);
  });

  test("only ASCII letters are folded", () => {
    assert.equal(member(backend('{"ÉA": 1}'), "éa"), undefined);
    assert.equal(member(backend('{"Éa": 1}'), "ÉA"), 1);
  });

  test("absent and null mean the default, which may be null", () => {
    const empty = backend('{"A": null}');
    for (const name of ["A", "B"]) {
      assert.equal(integer(empty, name, { min: 1, max: 9, default: 5 }), 5);
      assert.equal(integer(empty, name, { min: 1, max: 9, default: null }), null);
      assert.equal(boolean(empty, name, true), true);
      assert.equal(string(empty, name, "x"), "x");
    }
  });

  test("a value of the right type is given as it is", () => {
    const object = backend('{"Port": 8472, "GBP": false, "Type": "vxlan"}');
    assert.equal(integer(object, "Port", { min: 0, max: 65535, default: 1 }), 8472);
    assert.equal(boolean(object, "GBP", true), false);
    assert.equal(string(object, "Type", ""), "vxlan");
  });

  test("a wrong value is named with its path and what it should be", () => {
    const vni = { min: 1, max: 16777215, default: 1 };
    const refused = (text: string, read: (object: ReturnType<typeof backend>) => unknown, expected: string) =>
      assert.throws(() => read(backend(text)), { name: "FlannelError", code: "config.invalid", message: expected });
    const between = "$.Backend.VNI: must be an integer between 1 and 16777215, but is";
    refused('{"VNI": 0}', (o) => integer(o, "VNI", vni), `${between} 0`);
    refused('{"vni": 16777216}', (o) => integer(o, "VNI", vni), `${between} 16777216`);
    refused('{"VNI": "1"}', (o) => integer(o, "VNI", vni), `${between} "1"`);
    refused('{"VNI": 1.5}', (o) => integer(o, "VNI", vni), `${between} 1.5`);
    refused('{"VNI": [1]}', (o) => integer(o, "VNI", vni), `${between} [1]`);
    refused(
      '{"N": -1}',
      (o) => integer(o, "N", { min: 0, default: 0 }),
      "$.Backend.N: must be an integer of 0 or more, but is -1",
    );
    refused('{"GBP": "yes"}', (o) => boolean(o, "GBP", false), '$.Backend.GBP: must be true or false, but is "yes"');
    refused('{"PSK": 1}', (o) => string(o, "PSK", ""), "$.Backend.PSK: must be a string, but is 1");
  });

  test("what is no object is refused", () => {
    for (const value of [null, [], "x", 1, true] as Json[]) {
      assert.throws(() => jsonObject(value, "$"), { message: `$: must be an object, but is ${JSON.stringify(value)}` });
    }
  });

  test("members that nobody reads are listed with their paths, as they are spelt", () => {
    assert.deepEqual(unknownMembers(backend('{"type": "vxlan", "Vnii": 1, "port": 2}'), ["Type", "VNI", "Port"]), [
      "$.Backend.Vnii",
    ]);
  });

  test("an error of the reader's own carries the path too, and long values are shortened", () => {
    assert.equal(invalidMember(backend("{}"), "MTU", "is too small").message, "$.Backend.MTU: is too small");
    assert.equal(excerpt("a".repeat(100)).length, 60);
  });
});
