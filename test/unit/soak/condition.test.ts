import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Condition, formatAnswer, type HostCondition, listTroubles } from "../../../soak/condition.ts";

const HOST: HostCondition = {
  name: "h1",
  publicIp: "192.168.77.11",
  key: "10.5.1.0-24",
  running: true,
  readiness: "200 flanneld is ready",
  kernel: ["10.5.2.0/24 via 10.5.2.0 dev flannel.1"],
  subnetFile: "FLANNEL_SUBNET=10.5.1.1/24\n",
};
const RECORD = { key: HOST.key, value: '{"PublicIP":"192.168.77.11"}', modRevision: 5, leaseId: "7" };
const START: Condition = { config: "{}", records: [RECORD], watched: 5, hosts: [HOST] };

function troublesOf(change: Partial<Condition>): string {
  return listTroubles(START, { ...START, ...change }).join("; ");
}

function troublesOfHost(change: Partial<HostCondition>): string {
  return troublesOf({ hosts: [{ ...HOST, ...change }] });
}

describe("listTroubles", () => {
  it("finds none when all is as it was", () => {
    assert.deepEqual(listTroubles(START, START), []);
  });

  it("sees what is wrong in etcd", () => {
    assert.match(troublesOf({ config: null }), /^the network config is gone$/);
    assert.match(troublesOf({ config: '{"Network":1}' }), /^the network config is \{"Network":1\}$/);
    assert.match(troublesOf({ records: [] }), /^h1 has no record$/);
    assert.match(troublesOf({ records: [RECORD, { ...RECORD, key: "foo" }] }), /^there is a record foo, which is no/);
    assert.match(troublesOf({ records: [{ ...RECORD, value: "{" }] }), /^the record 10\.5\.1\.0-24 is not h1's: \{$/);
    assert.match(troublesOf({ records: [{ ...RECORD, leaseId: null }] }), /does not expire$/);
  });

  it("does not trust a history that has not been seen to its end", () => {
    assert.match(troublesOf({ watched: 4 }), /^the watch of the records is at revision 4 of 5$/);
  });

  it("sees what is wrong on a host", () => {
    assert.match(troublesOfHost({ running: false }), /^flanneld on h1 has ended$/);
    assert.match(
      troublesOfHost({ readiness: "200 flanneld is ready, but degraded: etcd: away" }),
      /degraded: etcd: away$/,
    );
    const neighbours = "200 flanneld is ready, but degraded: neighbours: it has 5 of at most 5 entries";
    assert.equal(troublesOfHost({ readiness: neighbours }), "");
    assert.match(troublesOfHost({ readiness: `${neighbours}; etcd: away` }), /; etcd: away$/);
    assert.match(troublesOfHost({ readiness: "nothing" }), /says: nothing$/);
    assert.match(troublesOfHost({ kernel: [] }), /^h1 lacks: 10\.5\.2\.0\/24 via/);
    assert.match(troublesOfHost({ kernel: [...HOST.kernel, "more"] }), /^h1 has in excess: more$/);
    assert.match(troublesOfHost({ subnetFile: "" }), /^h1 has another subnet\.env/);
  });
});

describe("formatAnswer", () => {
  it("has status and body, and is empty for what is no answer", () => {
    assert.equal(formatAnswer("HTTP/1.1 503 Service Unavailable\r\nx: y\r\n\r\nnot ready"), "503 not ready");
    assert.equal(formatAnswer(""), "");
  });
});
