import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { peerAddresses } from "../../../src/backends/peer-addresses.ts";
import type { Lease } from "../../../src/subnet/lease.ts";
import { withoutIpv4, withoutIpv6 } from "../../../src/subnet/lease-parts.ts";
import { dualLease, hostNumber } from "../../support/dual-stack.ts";

const BOTH = dualLease(hostNumber(7));
const shown = (lease: Lease) => peerAddresses(lease).map(({ over, ip }) => `${over} ${ip}`);
const IPV4 = ["underlay 192.168.64.7", "overlay 10.5.7.0"];
const IPV6 = ["underlay fd77::7", "overlay fd00:5:0:7::"];

describe("the addresses at which a peer answers", () => {
  it("are those of both families of a peer that has both", () => {
    assert.deepEqual(shown(BOTH), [...IPV4, ...IPV6]);
  });

  it("are those alone of the family in which it is a peer, whatever its record has of the other", () => {
    assert.deepEqual(shown(withoutIpv4(BOTH)), IPV6);
    assert.deepEqual(shown(withoutIpv6(BOTH)), IPV4);
  });

  it("are none of the overlay where a backend makes no device", () => {
    assert.deepEqual(shown(dualLease(hostNumber(7, { backendType: "host-gw" }))), [IPV4[0], IPV6[0]]);
  });
});
