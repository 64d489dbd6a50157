// Whether a host does its work, and what is not as it should be: names with reasons. Types only.

export interface CheckStatus {
  readonly name: string;
  /** Null when it is fine. */
  readonly reason: string | null;
}

export interface DegradedStatus extends CheckStatus {
  /** A command that mends it; null where that is in the reason, or not known. */
  readonly remedy: string | null;
}

/** Ready means that no check has a reason. */
export interface Readiness {
  /** What the host needs to do its work, in the order in which a start gets it done; a null reason is fine. */
  readonly checks: readonly CheckStatus[];
  /** What is not as it should be although the host does its work; the same form. Empty until the lease is held. */
  readonly degraded: readonly DegradedStatus[];
}
