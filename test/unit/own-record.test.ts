import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createVxlan } from "../../src/backends/vxlan.ts";
import { createOwnRecord } from "../../src/own-record.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { MARK, SELF, underlayAt } from "../support/vxlan-host.ts";

const FIRST = underlayAt(SELF.attrs.publicIp);

describe("what our record must say", () => {
  it("is what it says until the underlay changes, and then the same but for the address", () => {
    let underlay = FIRST;
    const wanted = createOwnRecord({
      backend: () => createVxlan({}),
      first: FIRST,
      underlay: () => underlay,
      mark: MARK,
      random: createSeededRandom(1),
    });
    assert.equal(wanted(SELF), SELF.attrs);
    underlay = underlayAt("192.168.64.3");
    const moved = { ...SELF.attrs, publicIp: underlay.publicIp };
    assert.deepEqual(wanted(SELF), moved);
    assert.deepEqual(wanted({ ...SELF, attrs: moved }), moved);
    underlay = underlayAt(SELF.attrs.publicIp);
    assert.deepEqual(wanted({ ...SELF, attrs: moved }), SELF.attrs);
  });
});
