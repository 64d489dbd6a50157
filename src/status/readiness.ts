// Whether a host does its work, and what is not as it should be: names with reasons. Types only.

import type { Remedy } from "../base/remedy.ts";

export interface CheckStatus {
  readonly name: string;
  /** Null when it is fine. */
  readonly reason: string | null;
}

/** With what mends it, unless that is in the reason, or not known. */
export interface DegradedStatus extends CheckStatus, Remedy {}

/** Ready means that no check has a reason. */
export interface Readiness {
  /** What the host needs to do its work, in the order in which a start gets it done; a null reason is fine. */
  readonly checks: readonly CheckStatus[];
  /** What is not as it should be although the host does its work; the same form. */
  readonly degraded: readonly DegradedStatus[];
}
