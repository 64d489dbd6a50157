// Error numbers and their names.

import { constants } from "node:os";

/** Of two names for one number the first wins, except that the kernel's own name is used where Node lists both. */
const NAMES = new Map(
  Object.entries(constants.errno)
    .toReversed()
    .map(([name, number]) => [number, name]),
);
NAMES.set(constants.errno.EOPNOTSUPP, "EOPNOTSUPP");

/** "EEXIST" for 17. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`;
}

/** The errno name that Node and the addon put on an error as its code. */
export function codeOf(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}
