// The addresses of a prefix as numbers, so that 10,000 leases are parsed once each: IPv4 as numbers, IPv6 as bigints. And
// which of many blocks may be had together.

import { ipv4Number, type Prefix, type Prefix4, prefix4Address, prefix4Size, prefixLength } from "../base/ip.ts";
import { ipv6Number, type Prefix6, prefix6Address } from "../base/ipv6.ts";

export interface Block<N extends number | bigint> {
  readonly start: N;
  readonly last: N;
  readonly length: number;
}

export interface Blocks<P extends Prefix, N extends number | bigint> {
  blockOf(prefix: P): Block<N>;
  /** Names the block of this length in which `start` is. */
  around(start: N, length: number): string;
  /** Whether an address is the first of a prefix of this length. */
  isAligned(start: N, length: number): boolean;
}

export const IPV4_BLOCKS: Blocks<Prefix4, number> = {
  blockOf(prefix) {
    const [start, length] = [ipv4Number(prefix4Address(prefix)), prefixLength(prefix)];
    return { start, last: start + prefix4Size(length) - 1, length };
  },
  around: (start, length) => `${start - (start % prefix4Size(length))} ${length}`,
  isAligned: (start, length) => start % prefix4Size(length) === 0,
};

export const IPV6_BLOCKS: Blocks<Prefix6, bigint> = {
  blockOf(prefix) {
    const [start, length] = [ipv6Number(prefix6Address(prefix)), prefixLength(prefix)];
    return { start, last: start + (1n << BigInt(128 - length)) - 1n, length };
  },
  around: (start, length) => `${start >> BigInt(128 - length)} ${length}`,
  isAligned: (start, length) => start % (1n << BigInt(128 - length)) === 0n,
};

export function contains<N extends number | bigint>(outer: Block<N>, inner: Block<N>): boolean {
  return inner.start >= outer.start && inner.last <= outer.last;
}

export function byStart<N extends number | bigint>(a: Block<N>, b: Block<N>): number {
  return a.start < b.start ? -1 : a.start > b.start ? 1 : 0;
}

/** Blocks, sorted by address, in groups that overlap within; mostly each is alone. */
export function* clustersOf<N extends number | bigint, B extends Block<N>>(
  sorted: readonly B[],
): Generator<readonly B[], void> {
  for (let from = 0; from < sorted.length; ) {
    let reached = sorted[from]?.last;
    let to = from + 1;
    for (; to < sorted.length; to++) {
      const block = sorted[to];
      if (!block || reached === undefined || block.start > reached) break;
      if (block.last > reached) reached = block.last;
    }
    yield sorted.slice(from, to);
    from = to;
  }
}

export interface Resolution<B> {
  readonly admitted: readonly B[];
  readonly refused: readonly { readonly block: B; readonly by: B }[];
}

/**
 * Each in its turn, unless it overlaps one before it. Prefixes overlap when one contains the other, so it is enough to
 * remember every admitted block and the larger blocks around it, of those lengths only that occur.
 */
export function admitInTurn<P extends Prefix, N extends number | bigint, B extends Block<N>>(
  turns: readonly B[],
  { around }: Blocks<P, N>,
): Resolution<B> {
  const lengths = [...new Set(turns.map(({ length }) => length))];
  const blocks = new Map<string, B>();
  const surroundings = new Map<string, B>();
  const admitted: B[] = [];
  const refused: { readonly block: B; readonly by: B }[] = [];
  for (const block of turns) {
    const { start, length } = block;
    const outer = lengths.filter((other) => other <= length).map((other) => around(start, other));
    const container = outer.map((name) => blocks.get(name)).find((found) => found !== undefined);
    const by = container ?? surroundings.get(around(start, length));
    if (by) {
      refused.push({ block, by });
      continue;
    }
    admitted.push(block);
    blocks.set(around(start, length), block);
    for (const name of outer) surroundings.set(name, block);
  }
  return { admitted, refused };
}
