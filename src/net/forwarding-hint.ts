// What the kernel says of forwarding when somebody changes it.

import type { Family } from "../base/ip.ts";

/** Carries no state on purpose: a lost or doubled hint is harmless. */
export interface ForwardingHint {
  /** Null when nobody knows. */
  readonly family: Family | null;
  /** Somewhere it was switched off, or nobody knows. Else something was switched on, or is not about forwarding. */
  readonly mayBeOff: boolean;
}

/** Ends on abort. Throws `netlink.errno` when changes are not to be heard of. */
export type WatchForwarding = (signal: AbortSignal) => AsyncIterable<ForwardingHint>;
