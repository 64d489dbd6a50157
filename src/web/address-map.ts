// Which subnets of the network are taken, as cells of a map that never has more than can be drawn. Pure.

import { ipv4Number, type Prefix, type Prefix4, prefix4Address, prefixLength } from "../base/ip.ts";
import { ipv6Number, type Prefix6, prefix6Address } from "../base/ipv6.ts";
import { hasIpv4, type Subnet } from "../subnet/lease.ts";
import type { NetworkConfig } from "../subnet/network-config.ts";
import { type Spaces, type SubnetSpace, spacesOf } from "../subnet/subnet-space.ts";
import { nameOf } from "./heard.ts";
import type { AddressMap, CellKind, HostState, MapCell, Overlay } from "./overlay.ts";

/** More than this many cells are slow to draw, and too small to hit. */
export const MOST_CELLS = 4096;

/** Where a cell stands for several and has a number, there is one size of cells in which that can be read. */
const MOST_NUMBERED_CELLS = 1024;

/** Of one cell; the rest is a number. */
const NAMED_IN_CELL = 8;

/** What most needs a look comes first. */
const URGENCY: readonly CellKind[] = ["bad", "expiring", "leased", "reserved"];

interface Taken {
  /** Of the host. */
  readonly name: string;
  /** What the record takes of each family. */
  readonly v4: Prefix4 | null;
  readonly v6: Prefix6 | null;
  readonly kind: CellKind;
}

/** What is not in `maps` although it is of one of the network's families, or of none of them, is `outside`. */
export function mapAddresses(
  network: Pick<NetworkConfig, "ipv4" | "ipv6">,
  hosts: readonly HostState[],
  spoilt: readonly Subnet[],
  isExpiring: (host: HostState) => boolean,
): Pick<Overlay, "maps" | "outside"> {
  const { v4, v6 } = spacesOf(network);
  const taken: readonly Taken[] = [
    ...hosts.map((host) => ({
      name: host.subnet,
      v4: host.subnet4 as Prefix4 | null,
      v6: host.subnet6 as Prefix6 | null,
      kind: isExpiring(host) ? ("expiring" as const) : host.kind,
    })),
    ...spoilt.map((subnet) => ({
      name: nameOf(subnet),
      v4: hasIpv4(subnet) ? subnet.v4 : null,
      v6: subnet.v6,
      kind: "bad" as const,
    })),
  ];
  const maps: AddressMap[] = [];
  if (v4) maps.push({ family: "IPv4", bits: 32, first: firstIpv4(v4.at(0)), ...mapSpace(v4, taken, (one) => one.v4) });
  if (v6) maps.push({ family: "IPv6", bits: 128, first: firstIpv6(v6.at(0)), ...mapSpace(v6, taken, (one) => one.v6) });
  return { maps, outside: taken.flatMap((one) => misplaced(one, v4, v6)) };
}

function firstIpv4(subnet: Prefix4): string {
  return ipv4Number(prefix4Address(subnet)).toString();
}

function firstIpv6(subnet: Prefix6): string {
  return ipv6Number(prefix6Address(subnet)).toString();
}

function misplaced(one: Taken, v4: Spaces["v4"], v6: Spaces["v6"]): readonly string[] {
  const part4 = v4 && one.v4;
  const part6 = v6 && one.v6;
  if (part4 === null && part6 === null) return [one.name];
  return [
    ...(part4 === null || isInside(v4, part4) ? [] : [part4]),
    ...(part6 === null || isInside(v6, part6) ? [] : [part6]),
  ];
}

/** Of a space that is larger than what daemons use of it, only that is drawn. */
function isInside<P extends Prefix>(space: SubnetSpace<P> | null, part: P): boolean {
  return space?.isLeasable(part) === true && space.runOf(part).from < space.count;
}

/** `partOf`: what of a record is in the space's family. */
function mapSpace<P extends Prefix>(
  space: SubnetSpace<P>,
  taken: readonly Taken[],
  partOf: (one: Taken) => P | null,
): Omit<AddressMap, "family" | "bits" | "first"> {
  const group = groupSize(space.count);
  const cells = new Map<number, Taken[]>();
  for (const one of taken) {
    const part = partOf(one);
    if (part === null || !isInside(space, part)) continue;
    const index = Math.floor(space.runOf(part).from / group);
    const cell = cells.get(index);
    if (cell) cell.push(one);
    else cells.set(index, [one]);
  }
  return {
    network: space.network,
    subnetLen: prefixLength(space.at(0)),
    total: space.count,
    group,
    cells: Math.ceil(space.count / group),
    taken: [...cells].sort(([a], [b]) => a - b).map(([index, those]) => mapCell(index, those)),
  };
}

/** 1, or the smallest power of two with which the cells can be drawn. */
function groupSize(total: number): number {
  if (total <= MOST_CELLS) return 1;
  let group = 1;
  while (total / group > MOST_NUMBERED_CELLS) group *= 2;
  return group;
}

function mapCell(index: number, those: readonly Taken[]): MapCell {
  return {
    index,
    kind: URGENCY.find((kind) => those.some((one) => one.kind === kind)) ?? "leased",
    count: those.length,
    subnets: those.slice(0, NAMED_IN_CELL).map(({ name }) => name),
  };
}
