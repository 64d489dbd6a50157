// Addresses of both families as numbers.

/**
 * @param {bigint} number
 * @param {32 | 128} bits
 */
export function addressText(number, bits) {
  if (bits === 32) return [24n, 16n, 8n, 0n].map((shift) => (number >> shift) & 255n).join(".");
  const groups = [7, 6, 5, 4, 3, 2, 1, 0].map((place) => ((number >> BigInt(16 * place)) & 0xffffn).toString(16));
  const text = groups.join(":");
  // RFC 5952: the longest run of zeros, if it is longer than one.
  const [zeros] = (text.match(/\b0(:0)+\b/g) ?? []).sort((a, b) => b.length - a.length);
  return zeros === undefined ? text : text.replace(new RegExp(`(^|:)${zeros}(:|$)`), "::");
}

/**
 * The subnets of one cell of the map: the first and the last.
 * @param {import("../overlay.ts").AddressMap} map
 * @param {number} index
 */
export function cellRange(map, index) {
  const size = 1n << BigInt(map.bits - map.subnetLen);
  const from = index * map.group;
  const to = Math.min(map.total, from + map.group) - 1;
  const prefix = (/** @type {number} */ number) => {
    return `${addressText(BigInt(map.first) + BigInt(number) * size, map.bits)}/${map.subnetLen}`;
  };
  return { first: prefix(from), last: prefix(to), count: to - from + 1 };
}
