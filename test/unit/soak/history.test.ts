import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { judgeEvent, type Owner, publicIpOf } from "../../../soak/history.ts";
import { parseResponse } from "../../../soak/record-watch.ts";
import { parseRecords, RECORDS_PREFIX } from "../../../soak/store.ts";

const OWNERS: readonly Owner[] = [
  { host: "h1", publicIp: "192.168.77.11", key: "10.5.1.0-24" },
  { host: "h2", publicIp: "192.168.77.12", key: "10.5.2.0-24" },
];

const record = (publicIp: string) => `{"PublicIP":"${publicIp}","PublicIPv6":null}`;
const event = (key: string, value: string | null) => ({ key, value, revision: 7 });
const base64 = (text: string) => Buffer.from(text).toString("base64");

describe("judgeEvent", () => {
  it("finds nothing in a host's own record, its removal, and records of nobody", () => {
    for (const [key, value] of [
      ["10.5.1.0-24", record("192.168.77.11")],
      ["10.5.1.0-24", null],
      ["10.5.1.0-24", "{"],
      ["foo", "bar"],
      ["10.5.1.128-25", record("192.168.77.99")],
    ] as const) {
      assert.equal(judgeEvent(event(key, value), OWNERS), null, key);
    }
  });

  it("sees two hosts on one subnet", () => {
    assert.equal(
      judgeEvent(event("10.5.1.0-24", record("192.168.77.12")), OWNERS),
      "h2 leased 10.5.1.0-24 at revision 7, which is h1's",
    );
  });

  it("sees a host that has not kept its subnet", () => {
    assert.equal(
      judgeEvent(event("10.5.9.0-24", record("192.168.77.12")), OWNERS),
      "h2 leased 10.5.9.0-24 at revision 7, and had 10.5.2.0-24",
    );
  });
});

describe("what etcdctl prints", () => {
  it("is read as records, with ids of leases that no number of JavaScript holds", () => {
    const kv = { key: base64(`${RECORDS_PREFIX}10.5.1.0-24`), value: base64("x"), mod_revision: 5, create_revision: 5 };
    const json = JSON.stringify({ header: {}, kvs: [kv] }).replace("}]", ',"lease":7587886234567890123}]');
    assert.deepEqual(parseRecords(json), [
      { key: "10.5.1.0-24", value: "x", modRevision: 5, leaseId: "694d9653f77ed4cb" },
    ]);
    assert.deepEqual(parseRecords('{"header":{}}'), []);
  });

  it("is read as changes, as a history that is gone, and as nothing", () => {
    const kv = { key: base64(`${RECORDS_PREFIX}10.5.1.0-24`), mod_revision: 5 };
    const line = JSON.stringify({ Events: [{ kv: { ...kv, value: base64("x") } }, { type: 1, kv }] });
    assert.deepEqual(parseResponse(line).events, [
      { key: "10.5.1.0-24", value: "x", revision: 5 },
      { key: "10.5.1.0-24", value: null, revision: 5 },
    ]);
    assert.deepEqual(parseResponse('{"CompactRevision":9,"Canceled":true}'), { events: [], compacted: 9 });
    assert.deepEqual(parseResponse("watch was canceled"), { events: [], compacted: 0 });
  });
});

describe("publicIpOf", () => {
  it("is null for what is no record", () => {
    assert.equal(publicIpOf(record("192.168.77.11")), "192.168.77.11");
    for (const text of ["", "{", "7", '{"PublicIP":7}']) assert.equal(publicIpOf(text), null, text);
  });
});
