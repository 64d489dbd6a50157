// What the bundle has in the place of @grpc/proto-loader, beside the package itself.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, it } from "node:test";
import protobuf from "protobufjs";

interface Method {
  readonly path: string;
  readonly originalName: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (message: object) => Uint8Array;
  readonly requestDeserialize: (bytes: Uint8Array) => object;
  readonly responseSerialize: (message: object) => Uint8Array;
  readonly responseDeserialize: (bytes: Uint8Array) => object;
}
type Services = Readonly<Record<string, Readonly<Record<string, Method>>>>;

/** This file runs from dist/test/unit/etcd. */
const ROOT = join(import.meta.dirname, "../../../..");
const load = createRequire(join(ROOT, "package.json"));
const PROTO = join(ROOT, "node_modules/etcd3/proto/rpc.proto");
/** Of etcd3. */
const CONVERSION = { longs: String, enums: String, defaults: true, oneofs: true };

const theirs = load("@grpc/proto-loader").loadSync(PROTO, { keepCase: true, ...CONVERSION }) as Services;
const api = new protobuf.Root().loadSync(PROTO, { keepCase: true }).resolveAll().toJSON();
const ours = load("./scripts/etcd-protocol.cjs").defineServices(api, CONVERSION) as Services;

/** More than a double can hold. */
const ID = "7587871234567890123";
const RECORD = { key: Buffer.from("/k"), value: Buffer.from([0, 255]), mod_revision: ID, lease: ID };
const REQUESTS: readonly (readonly [string, string, object])[] = [
  ["KV", "Range", { key: Buffer.from("/a"), range_end: Buffer.from("/b"), keys_only: true, min_mod_revision: ID }],
  [
    "KV",
    "Txn",
    {
      compare: [{ target: "MOD", result: "EQUAL", key: RECORD.key, mod_revision: ID }],
      success: [{ request_put: RECORD }],
    },
  ],
  ["Watch", "Watch", { create_request: { key: RECORD.key, start_revision: ID, progress_notify: true } }],
  ["Lease", "LeaseKeepAlive", { ID }],
  ["Auth", "Authenticate", { name: "n", password: "p" }],
];
const RESPONSES: readonly (readonly [string, string, object])[] = [
  ["KV", "Range", { header: { revision: ID }, kvs: [RECORD], count: "1" }],
  ["KV", "Txn", { succeeded: true, responses: [{ response_range: { kvs: [RECORD] } }] }],
  ["Watch", "Watch", { events: [{ type: "DELETE", kv: RECORD }], compact_revision: ID }],
  ["Lease", "LeaseTimeToLive", { ID, TTL: "-1" }],
];

describe("the protocol of etcd in the bundle", () => {
  it("has the methods of the package that it replaces, under the same names", () => {
    const facts = (methods: Services[string] = {}) =>
      Object.entries(methods).map(([method, { path, originalName, requestStream, responseStream }]) => ({
        ...{ method, path, originalName, requestStream, responseStream },
      }));
    for (const name of ["KV", "Watch", "Lease", "Auth"].map((service) => `etcdserverpb.${service}`)) {
      assert.deepEqual(facts(ours[name]), facts(theirs[name]));
      assert.ok(facts(ours[name]).length > 0, name);
    }
  });

  it("writes and reads the same bytes and values", () => {
    const method = (from: Services, [service, name]: readonly [string, string, object]) =>
      from[`etcdserverpb.${service}`]?.[name] as Method;
    for (const example of REQUESTS) {
      const bytes = method(ours, example).requestSerialize(example[2]);
      assert.deepEqual(bytes, method(theirs, example).requestSerialize(example[2]));
      assert.deepEqual(
        method(ours, example).requestDeserialize(bytes),
        method(theirs, example).requestDeserialize(bytes),
      );
    }
    for (const example of RESPONSES) {
      const bytes = method(ours, example).responseSerialize(example[2]);
      const value = method(ours, example).responseDeserialize(bytes);
      assert.deepEqual(value, method(theirs, example).responseDeserialize(bytes));
      assert.match(JSON.stringify(value), new RegExp(`"${ID}"|"-1"`));
    }
  });
});
