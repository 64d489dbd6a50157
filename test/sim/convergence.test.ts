// The system converges: whatever happens to a cluster and in whatever order, some quiet time later every host is ready
// and its kernel is what the leases say, and at no moment have two hosts held one subnet although both could have known.

import { describe, it } from "node:test";
import { holdsFor, seedsOf } from "./story.ts";

describe("a cluster to which anything happens", () => {
  const seeds = seedsOf(300);
  it(`converges when it is left in peace, and no two hosts hold one subnet (${seeds.length} random stories)`, async () => {
    for (const seed of seeds) await holdsFor(seed, { fewest: 2, most: 4 });
  });
});
