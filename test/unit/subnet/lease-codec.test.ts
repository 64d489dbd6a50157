import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ipv4FromNumber, parseIpv4 } from "../../../src/base/ip.ts";
import { ipv6FromNumber, parseIpv6 } from "../../../src/base/ipv6.ts";
import type { Json } from "../../../src/base/json.ts";
import type { LeaseAttrs, NodeId, Revision } from "../../../src/subnet/lease.ts";
import {
  type DecodedRecord,
  decodeLeaseAttrs,
  decodeRecord,
  encodeLeaseAttrs,
} from "../../../src/subnet/lease-codec.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const encode = (attrs: Partial<LeaseAttrs>) => new TextDecoder().decode(encodeLeaseAttrs({ ...NOTHING, ...attrs }));
const decode = (text: string) => decodeLeaseAttrs(bytes(text));

const NOTHING: LeaseAttrs = {
  publicIp: parseIpv4("0.0.0.0"),
  publicIpv6: null,
  backendType: "",
  backendData: null,
  backendV6Data: null,
  nodeId: null,
  challenger: null,
};
const HOST = parseIpv4("10.0.0.2");
const KEY44 = "YMcbH9+uPBpPyo7sHcUIbpkD4dAo0j1pGkCVV3h7DEc=";

/** As the Go daemon writes them. */
const GOLDEN: readonly (readonly [string, Partial<LeaseAttrs>, string])[] = [
  [
    "vxlan",
    {
      publicIp: parseIpv4("192.168.64.3"),
      backendType: "vxlan",
      backendData: { VNI: 1, VtepMAC: "c6:d2:32:6f:8f:44" },
    },
    '{"PublicIP":"192.168.64.3","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"}}',
  ],
  [
    "vxlan on both families",
    {
      publicIp: parseIpv4("192.168.64.3"),
      publicIpv6: parseIpv6("2001:db8::3"),
      backendType: "vxlan",
      backendData: { VNI: 1, VtepMAC: "c6:d2:32:6f:8f:44" },
      backendV6Data: { VNI: 1, VtepMAC: "8a:11:22:33:44:55" },
    },
    '{"PublicIP":"192.168.64.3","PublicIPv6":"2001:db8::3","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"},"BackendV6Data":{"VNI":1,"VtepMAC":"8a:11:22:33:44:55"}}',
  ],
  [
    "host-gw",
    { publicIp: HOST, backendType: "host-gw" },
    '{"PublicIP":"10.0.0.2","PublicIPv6":null,"BackendType":"host-gw"}',
  ],
  [
    "wireguard",
    { publicIp: HOST, backendType: "wireguard", backendData: { PublicKey: KEY44, Port: 51820 } },
    `{"PublicIP":"10.0.0.2","PublicIPv6":null,"BackendType":"wireguard","BackendData":{"PublicKey":"${KEY44}","Port":51820}}`,
  ],
  [
    "extension, with what HTML would take for markup",
    { publicIp: HOST, backendType: "extension", backendData: "<a & b>\u2028\u2029" },
    '{"PublicIP":"10.0.0.2","PublicIPv6":null,"BackendType":"extension","BackendData":"\\u003ca \\u0026 b\\u003e\\u2028\\u2029"}',
  ],
  ["udp", { publicIp: parseIpv4("1.2.3.4") }, '{"PublicIP":"1.2.3.4","PublicIPv6":null}'],
];

describe("the value of a lease's record", () => {
  for (const [name, attrs, text] of GOLDEN) {
    it(`is the Go daemon's for ${name}`, () => {
      assert.equal(encode(attrs), text);
      assert.deepEqual(decode(text), { ...NOTHING, ...attrs });
    });
  }

  it("names its host and a challenger behind what the Go daemon writes", () => {
    const ids = { nodeId: "0a1b" as NodeId, challenger: "2c3d" as NodeId };
    const text = encode({ publicIp: HOST, backendType: "host-gw", ...ids });
    assert.equal(
      text,
      '{"PublicIP":"10.0.0.2","PublicIPv6":null,"BackendType":"host-gw","NodeID":"0a1b","Challenger":"2c3d"}',
    );
    assert.deepEqual(decode(text), { ...NOTHING, publicIp: HOST, backendType: "host-gw", ...ids });
  });

  it("ignores an id that is none", () => {
    for (const id of ["7", '""', '"a b"', "null", `"${"a".repeat(65)}"`]) {
      assert.equal(decode(`{"PublicIP":"10.0.0.2","NodeID":${id}}`).nodeId, null, id);
    }
  });

  it("is read back as what was written", () => {
    const json = fc.jsonValue({ maxDepth: 4 }).filter((value) => value !== null && !/-0\b/.test(JSON.stringify(value)));
    const attrs = fc.record<LeaseAttrs>({
      publicIp: fc.integer({ min: 0, max: 2 ** 32 - 1 }).map(ipv4FromNumber),
      publicIpv6: fc.option(fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map(ipv6FromNumber)),
      backendType: fc.string(),
      backendData: fc.option(json as fc.Arbitrary<Json>),
      backendV6Data: fc.option(json as fc.Arbitrary<Json>),
      nodeId: fc.option(fc.stringMatching(/^[0-9a-f]{32}$/) as fc.Arbitrary<NodeId>),
      challenger: fc.option(fc.stringMatching(/^[0-9a-f]{32}$/) as fc.Arbitrary<NodeId>),
    });
    const normal = (value: unknown) => JSON.parse(JSON.stringify(value));
    fc.assert(
      fc.property(attrs, (value) => {
        assert.deepEqual(normal(decodeLeaseAttrs(encodeLeaseAttrs(value))), normal(value));
      }),
    );
  });

  it("is read with names in any case, unknown members, and none of the optional ones", () => {
    assert.deepEqual(decode('{"publicip":"10.0.0.2","BACKENDTYPE":"host-gw","Color":"red"}'), {
      ...NOTHING,
      publicIp: "10.0.0.2",
      backendType: "host-gw",
    });
    assert.deepEqual(decode("{}"), NOTHING);
    assert.deepEqual(decode('{"BackendType":null,"BackendData":null}'), NOTHING);
  });

  it("may give an IPv4 address where IPv6 is meant", () => {
    assert.equal(decode('{"PublicIPv6":"1.2.3.4"}').publicIpv6, parseIpv6("::ffff:1.2.3.4"));
  });

  for (const [text, reason] of [
    ["", /^\$: is not valid JSON$/],
    ["bar", /^\$: is not valid JSON$/],
    ["[]", /^\$: must be an object/],
    ["null", /^\$: must be an object/],
    ['{"PublicIP":null}', /^\$\.PublicIP: must be an IPv4 address, but is null$/],
    ['{"PublicIP":""}', /^\$\.PublicIP: must be an IPv4 address/],
    ['{"PublicIP":"fd00::1"}', /^\$\.PublicIP: must be an IPv4 address, but is "fd00::1"$/],
    ['{"PublicIP":"1.2.3"}', /^\$\.PublicIP/],
    ['{"PublicIP":16909060}', /^\$\.PublicIP/],
    ['{"PublicIPv6":""}', /^\$\.PublicIPv6: must be an IPv6 address/],
    ['{"PublicIPv6":"fd00::1%eth0"}', /^\$\.PublicIPv6/],
    ['{"BackendType":7}', /^\$\.BackendType: must be a string/],
    [`{"BackendData":${"[".repeat(20_000)}${"]".repeat(20_000)}}`, /^\$: is nested more than 32 levels deep$/],
    [`{"BackendData":"${"x".repeat(65_536)}"}`, /^\$: has \d+ bytes, more than the 65536/],
  ] as const) {
    it(`is not ${text.length > 60 ? `${text.slice(0, 30)}... of ${text.length} bytes` : JSON.stringify(text)}`, () => {
      assert.throws(
        () => decode(text),
        (error: Error) => reason.test(error.message),
      );
    });
  }
});

describe("a record", () => {
  const record = (key: string, value: string, leaseId = "7"): DecodedRecord =>
    decodeRecord({
      key,
      value: bytes(value),
      modRevision: "42" as Revision,
      createRevision: "40" as Revision,
      leaseId,
    });

  it("is a lease when key and value are", () => {
    assert.deepEqual(record("10.5.52.0-24", '{"PublicIP":"10.0.0.2"}'), {
      kind: "lease",
      lease: {
        key: "10.5.52.0-24",
        subnet: { v4: "10.5.52.0/24", v6: null },
        attrs: { ...NOTHING, publicIp: "10.0.0.2" },
        term: { kind: "leased" },
        version: { modRevision: "42", createRevision: "40", leaseId: "7" },
      },
    });
  });

  it("without an etcd lease is a reservation", () => {
    const decoded = record("10.5.52.0-24", '{"PublicIP":"10.0.0.2"}', "0");
    assert.deepEqual(decoded.kind === "lease" && decoded.lease.term, { kind: "reserved" });
  });

  it("that is none is described by what is wrong with it", () => {
    const reasonOf = (key: string, value: string) => {
      const decoded = record(key, value);
      return decoded.kind === "bad" && [decoded.record.key, decoded.record.reason];
    };
    assert.deepEqual(reasonOf("foo", "{}"), [
      "foo",
      "its key is not a subnet without a host part, such as 10.5.52.0-24",
    ]);
    assert.deepEqual(reasonOf("10.5.52.0-24", '{"PublicIP":null}'), [
      "10.5.52.0-24",
      "its value is not a lease: $.PublicIP: must be an IPv4 address, but is null",
    ]);
    for (const nobody of ["{}", '{"PublicIP":"0.0.0.0","PublicIPv6":null}']) {
      assert.deepEqual(reasonOf("10.5.52.0-24", nobody), [
        "10.5.52.0-24",
        "its value is not a lease: it has no public IP",
      ]);
    }
    const [key, reason] = reasonOf("x".repeat(1000), "{}") || [];
    assert.equal(key?.length, 256);
    assert.equal(reason, "its key is longer than 256 characters");
  });

  it("of arbitrary bytes is a lease or described, and never an error", () => {
    const keys = fc.oneof(fc.string(), fc.constant("10.5.52.0-24"));
    const values = fc.oneof(fc.uint8Array(), fc.json().map(bytes));
    fc.assert(
      fc.property(keys, values, (key, value) => {
        const decoded = decodeRecord({
          key,
          value,
          modRevision: "1" as Revision,
          createRevision: "1" as Revision,
          leaseId: "0",
        });
        assert.ok(decoded.kind === "lease" || decoded.record.reason !== "");
      }),
    );
  });
});
