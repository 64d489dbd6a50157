import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type IfAddr, type Ip, type Ipv4, ipv4FromNumber, prefix4 } from "../../../src/base/ip.ts";
import { type Ipv6, ipv6FromNumber } from "../../../src/base/ipv6.ts";
import { formatMac, type Mac } from "../../../src/base/mac.ts";
import type {
  Address,
  FdbEntry,
  LinkName,
  Neighbour,
  NetObject,
  Route,
  RouteProtocol,
  VxlanLink,
} from "../../../src/net/objects.ts";
import { createAddress, decodeAddress } from "../../../src/netlink/address.ts";
import { encodeRequests, type Message, messagesOf, type Request } from "../../../src/netlink/codec.ts";
import { decodeDefaultRoute } from "../../../src/netlink/default-route.ts";
import { createFdbEntry, decodeFdbEntry } from "../../../src/netlink/fdb.ts";
import { createLink, decodeLink, setLink } from "../../../src/netlink/link.ts";
import { createNeighbour, decodeNeighbour, isPermanent } from "../../../src/netlink/neighbour.ts";
import { createRoute, decodeRoute, maskRoute } from "../../../src/netlink/route.ts";

const DEV = "flannel.1" as LinkName;

const ipv4: fc.Arbitrary<Ipv4> = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map(ipv4FromNumber);
const ipv6: fc.Arbitrary<Ipv6> = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map(ipv6FromNumber);
const mac: fc.Arbitrary<Mac> = fc.uint8Array({ minLength: 6, maxLength: 6 }).map(formatMac);
const ip: fc.Arbitrary<Ip> = fc.oneof(ipv4, ipv6);
const length = fc.integer({ min: 0, max: 32 });
const dev = fc.constant(DEV);

const routes: fc.Arbitrary<Route> = fc.record({
  kind: fc.constant("route" as const),
  dev,
  dst: fc.tuple(ipv4, length).map(([address, bits]) => prefix4(address, bits)),
  via: fc.option(ip),
  onlink: fc.boolean(),
  metric: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  protocol: fc.integer({ min: 0, max: 255 }).map((value) => value as RouteProtocol),
});
const neighbours: fc.Arbitrary<Neighbour> = fc.record({ kind: fc.constant("neighbour" as const), dev, ip, mac });
const fdbEntries: fc.Arbitrary<FdbEntry> = fc.record({ kind: fc.constant("fdb" as const), dev, mac, dst: ip });
const addresses: fc.Arbitrary<Address> = fc.record({
  kind: fc.constant("address" as const),
  dev,
  address: fc.tuple(ipv4, length).map(([address, bits]) => `${address}/${bits}` as IfAddr),
});
const vxlans: fc.Arbitrary<VxlanLink> = fc.record({
  kind: fc.constant("link" as const),
  type: fc.constant("vxlan" as const),
  name: dev,
  mtu: fc.integer({ min: 68, max: 65535 }),
  up: fc.constant(false),
  mac,
  vni: fc.integer({ min: 1, max: 2 ** 24 - 1 }),
  port: fc.integer({ min: 1, max: 65535 }),
  local: fc.option(ip),
  lower: fc.constantFrom("eth0" as LinkName, null),
  learning: fc.boolean(),
  gbp: fc.boolean(),
  external: fc.boolean(),
  checksumOffload: fc.constant(true),
});

function asReceived(request: Request): { readonly buffer: Buffer; readonly message: Message } {
  const buffer = encodeRequests([request], 1);
  const [message] = messagesOf(buffer);
  assert.ok(message);
  return { buffer, message };
}

/** The kernel's messages have the form of our requests, so an object that was encoded decodes to itself. */
function survives<T extends NetObject>(
  objects: fc.Arbitrary<T>,
  encode: (object: T) => Request,
  decode: (buffer: Buffer, message: Message) => NetObject | null,
): void {
  fc.assert(
    fc.property(objects, (object) => {
      const { buffer, message } = asReceived(encode(object));
      assert.deepEqual(decode(buffer, message), { ...object });
    }),
  );
}

describe("encoding and decoding", () => {
  it("keeps a route, also one whose gateway is of the other family", () => {
    survives(
      routes,
      (route) => createRoute(route, 7),
      (buffer, message) => decodeRoute(buffer, message, DEV),
    );
  });

  it("keeps a neighbour, as a permanent one", () => {
    survives(
      neighbours,
      (neighbour) => createNeighbour(neighbour, 7),
      (buffer, message) => {
        assert.ok(isPermanent(buffer, message));
        return decodeNeighbour(buffer, message, DEV);
      },
    );
  });

  it("keeps a forwarding entry, as a permanent one", () => {
    survives(
      fdbEntries,
      (entry) => createFdbEntry(entry, 7),
      (buffer, message) => {
        assert.ok(isPermanent(buffer, message));
        return decodeFdbEntry(buffer, message, DEV);
      },
    );
  });

  it("keeps an address with its prefix length", () => {
    survives(
      addresses,
      (address) => createAddress(address, 7),
      (buffer, message) => decodeAddress(buffer, message, DEV),
    );
  });

  it("keeps a vxlan link", () => {
    survives(
      vxlans,
      (link) => createLink(link, link.lower === null ? null : 3),
      (buffer, message) =>
        decodeLink(buffer, message, {
          nameOf: (index) => (index === 3 ? ("eth0" as LinkName) : null),
          checksumOffloadOf: () => true,
        }).link,
    );
  });
});

describe("setLink()", () => {
  it("does not name a MAC that stays", () => {
    const link = fc.sample(vxlans, { numRuns: 1, seed: 1 })[0];
    assert.ok(link);
    const same = asReceived(setLink(4, link, { ...link, mtu: link.mtu + 1 }));
    const other = asReceived(setLink(4, link, { ...link, mac: "02:00:00:00:00:01" as Mac }));
    const named = ({ buffer, message }: typeof same) =>
      buffer.subarray(message.start).includes(Buffer.from([10, 0, 1, 0]));
    assert.deepEqual([named(same), named(other)], [false, true]);
  });
});

describe("decodeRoute()", () => {
  const route: Route = {
    kind: "route",
    dev: DEV,
    dst: prefix4("10.5.2.0" as Ipv4, 24),
    via: "10.5.2.0" as Ipv4,
    onlink: true,
    metric: 0,
    protocol: 70 as RouteProtocol,
  };

  it("gives null for a route with a type of service, which a Route cannot say", () => {
    const { buffer, message } = asReceived(createRoute(route, 7));
    buffer[message.start + 3] = 4;
    assert.equal(decodeRoute(buffer, message, DEV), null);
  });

  it("sees the same route, and the same bytes, when the carrier is gone", () => {
    const { buffer, message } = asReceived(createRoute(route, 7));
    const before = Buffer.from(buffer);
    // RTNH_F_DEAD and RTNH_F_LINKDOWN
    buffer[message.start + 8] = (buffer[message.start + 8] ?? 0) | 0x11;
    assert.deepEqual(decodeRoute(buffer, message, DEV), route);
    maskRoute(buffer, message);
    assert.deepEqual(buffer, before);
  });

  it("is no default route unless the destination is everything", () => {
    const one = asReceived(createRoute(route, 7));
    assert.equal(decodeDefaultRoute(one.buffer, one.message), null);
    const other = asReceived(createRoute({ ...route, dst: prefix4("0.0.0.0" as Ipv4, 0), metric: 5 }, 7));
    assert.deepEqual(decodeDefaultRoute(other.buffer, other.message), { indices: [7], metric: 5 });
  });
});
