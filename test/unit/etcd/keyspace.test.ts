import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createKeyspace } from "../../../src/etcd/keyspace.ts";
import type { SubnetKey } from "../../../src/subnet/lease.ts";

describe("the keys of a network", () => {
  for (const [prefix, config, subnets] of [
    ["/coreos.com/network", "/coreos.com/network/config", "/coreos.com/network/subnets/"],
    ["/coreos.com/network/", "/coreos.com/network/config", "/coreos.com/network/subnets/"],
    ["//coreos.com///network/./x/..", "/coreos.com/network/config", "/coreos.com/network/subnets/"],
    ["coreos.com/network", "coreos.com/network/config", "coreos.com/network/subnets/"],
    ["/../a", "/a/config", "/a/subnets/"],
    ["/", "/config", "/subnets/"],
  ] as const) {
    it(`are below ${JSON.stringify(prefix)}, cleaned like a path`, () => {
      const keyspace = createKeyspace(prefix);
      assert.equal(keyspace.config.toString(), config);
      assert.equal(keyspace.subnets.toString(), subnets);
    });
  }

  it("are all that begin with the prefix and its slash, and no others", () => {
    const { subnets, subnetsEnd } = createKeyspace("/net");
    const isInside = (key: Buffer) => Buffer.compare(key, subnets) >= 0 && Buffer.compare(key, subnetsEnd) < 0;
    for (const key of ["", "10.5.1.0-24", "\u{10ffff}"]) assert.ok(isInside(Buffer.from(`/net/subnets/${key}`)), key);
    assert.ok(isInside(Buffer.concat([subnets, Buffer.from([255, 255])])));
    for (const key of ["/net/subnets", "/net/subnets-old/x", "/net/subnets0", "/net/config", "/net/t"]) {
      assert.ok(!isInside(Buffer.from(key)), key);
    }
  });

  it("lead from a record to its key and back", () => {
    const keyspace = createKeyspace("/net");
    const key = keyspace.recordKey("10.5.1.0-24" as SubnetKey);
    assert.equal(key.toString(), "/net/subnets/10.5.1.0-24");
    assert.equal(keyspace.relativeKey(key), "10.5.1.0-24");
  });
});
