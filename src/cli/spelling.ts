// What somebody meant who wrote a name that does not exist.

/** The candidate with the fewest letters to change, add, drop or swap; null when none is close. */
export function nearest(name: string, candidates: readonly string[]): string | null {
  // One slip for every four letters, and one in a short name.
  let limit = Math.max(1, Math.floor(name.length / 4));
  let best: string | null = null;
  for (const candidate of candidates) {
    const distance = editDistance(name, candidate);
    if (distance > limit || (best !== null && distance === limit)) continue;
    limit = distance;
    best = candidate;
  }
  return best;
}

/** Optimal string alignment: a swap of neighbours counts as one change. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const changed = (last[j - 1] ?? 0) + (same ? 0 : 1);
      const shifted = Math.min((row[j - 1] ?? 0) + 1, (last[j] ?? 0) + 1);
      const crossed = swapped ? (beforeLast[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(changed, shifted, crossed));
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
