import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Ip } from "../../../src/base/ip.ts";
import type { Mac } from "../../../src/base/mac.ts";
import type { NetOp } from "../../../src/net/diff.ts";
import type { LinkName, NetObject } from "../../../src/net/objects.ts";
import { batchesOf } from "../../../src/netlink/apply.ts";

const NAME = "flannel.1" as LinkName;
const LINK: NetObject = { kind: "link", type: "other", name: NAME, mtu: 1500, up: true, mac: null, driver: null };
const NEIGHBOUR: NetObject = { kind: "neighbour", dev: NAME, ip: "10.5.2.0" as Ip, mac: "02:00:00:00:00:01" as Mac };

describe("batchesOf()", () => {
  it("keeps the order, makes no batch too large, and leaves a link alone in its own", () => {
    const op = fc
      .constantFrom(LINK, ...new Array<NetObject>(9).fill(NEIGHBOUR))
      .map((object): NetOp => ({ op: "create", object }));
    fc.assert(
      fc.property(fc.array(op, { maxLength: 400 }), (ops) => {
        const batches = [...batchesOf(ops)];
        assert.deepEqual(batches.flat(), ops);
        for (const batch of batches) {
          assert.ok(batch.length >= 1 && batch.length <= 128);
          if (batch.some(({ object }) => object.kind === "link")) assert.equal(batch.length, 1);
        }
      }),
    );
  });
});
