import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hostPortOf } from "../../../src/etcd/host-port.ts";

describe("hostPortOf()", () => {
  for (const [url, host, port] of [
    ["http://10.0.0.1:2379", "10.0.0.1", 2379],
    ["https://etcd-1.example:4001", "etcd-1.example", 4001],
    ["https://[fd00::1]:2379", "fd00::1", 2379],
  ] as const) {
    it(`takes ${url} apart`, () => assert.deepEqual(hostPortOf(url), { host, port }));
  }
});
