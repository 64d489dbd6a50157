import { describe, it } from "node:test";
import { holdsFor, LARGE, seedsOf } from "./story.ts";

describe("a cluster of hundreds of daemons to which anything happens", () => {
  const seeds = seedsOf(2);
  it(`converges when it is left in peace, and no two hosts hold one subnet (${seeds.length} random stories)`, async () => {
    for (const seed of seeds) await holdsFor(seed, { fewest: LARGE, most: 2 * LARGE });
  });
});
