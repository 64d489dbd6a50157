import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { ipv4FromNumber, parsePrefix4 } from "../../../src/base/ip.ts";
import { ipv6FromNumber } from "../../../src/base/ipv6.ts";
import { ipv6Space } from "../../../src/subnet/subnet-space.ts";
import { mapAddresses } from "../../../src/web/address-map.ts";
import { buildOverlay } from "../../../src/web/model.ts";
import type { AddressMap, HostState, MapCell } from "../../../src/web/overlay.ts";
import { networkOf } from "../../support/leases.ts";
import { factsOf, lookedLease, lookOf } from "../../support/overlay-facts.ts";

/** What the browser loads, as it is. */
interface PageAddresses {
  readonly addressText: (number: bigint, bits: 32 | 128) => string;
  readonly cellRange: (map: AddressMap, index: number) => { first: string; last: string; count: number };
}

interface PageGrid {
  readonly detailsText: (
    map: AddressMap,
    index: number,
    cell: MapCell | null,
    hosts: ReadonlyMap<string, HostState>,
  ) => string;
}

const ASSETS = join(import.meta.dirname, "../../../../src/web/assets");
const load = async (name: string): Promise<unknown> => await import(pathToFileURL(join(ASSETS, name)).href);
const { addressText, cellRange } = (await load("addresses.js")) as PageAddresses;
const { detailsText } = (await load("address-grid.js")) as PageGrid;

describe("addresses on the page", () => {
  it("are written as everywhere else", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (number) => {
        assert.equal(addressText(BigInt(number), 32), ipv4FromNumber(number));
      }),
    );
    // With many zeros, where the two could differ.
    const groups = fc.array(fc.oneof({ weight: 3, arbitrary: fc.constant(0n) }, fc.bigInt({ min: 0n, max: 0xffffn })), {
      ...{ minLength: 8, maxLength: 8 },
    });
    fc.assert(
      fc.property(groups, (parts) => {
        const number = parts.reduce((sum, part) => (sum << 16n) | part, 0n);
        assert.equal(addressText(number, 128), ipv6FromNumber(number));
      }),
      { numRuns: 2000 },
    );
  });

  it("tell the first and the last subnet of a cell", () => {
    const network = networkOf({ EnableIPv4: false, EnableIPv6: true, IPv6Network: "fd00::/48" });
    const [map] = mapAddresses(network, [], [], () => false).maps;
    assert.ok(map && network.ipv6);
    const space = ipv6Space(network.ipv6);
    assert.deepEqual(cellRange(map, 1), { first: space.at(64), last: space.at(127), count: 64 });
    assert.deepEqual(cellRange(map, 1023), { first: space.at(65_472), last: space.at(65_534), count: 63 });
  });

  it("are said once of a cell that holds one subnet", () => {
    const reserved = lookedLease("10.5.77.0/24", "192.168.64.77", { term: { kind: "reserved" } });
    const spoilt = [{ v4: parsePrefix4("10.5.200.0/24"), v6: null }];
    const { maps, hosts } = buildOverlay(
      factsOf({ look: lookOf({ leases: [lookedLease("10.5.7.0/24", "192.168.64.3"), reserved], spoilt }) }),
    );
    const [map] = maps;
    assert.ok(map);
    const bySubnet = new Map(hosts.map((host) => [host.subnet, host]));
    const texts = map.taken.map((cell) => detailsText(map, cell.index, cell, bySubnet));
    assert.match(texts[0] ?? "", /^10\.5\.7\.0\/24 leased by 192\.168\.64\.3 \(vxlan\), ends in .*, host ready$/);
    assert.deepEqual(texts.slice(1), [
      "10.5.77.0/24 reserved for 192.168.64.77 (vxlan), host unknown",
      "10.5.200.0/24: a record that is no lease",
    ]);
    assert.equal(detailsText(map, 0, null, bySubnet), "10.5.1.0/24: free");
  });
});
