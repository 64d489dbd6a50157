// Randomness as a port: subnets and MAC addresses are drawn from here, and tests draw from a seed.

import { randomBytes, randomInt } from "node:crypto";

export interface Random {
  /** A uniformly distributed integer in [min, max], both included. */
  integer(min: number, max: number): number;
  bytes(length: number): Uint8Array;
}

export const systemRandom: Random = {
  integer: (min, max) => randomInt(min, max + 1),
  bytes: (length) => randomBytes(length),
};
