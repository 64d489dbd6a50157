// The port to ICMP echo: one request, and what came of it.

import type { Millis } from "../base/brand.ts";
import type { Ip } from "../base/ip.ts";

export type PingOutcome =
  | { readonly kind: "reply"; readonly rtt: Millis }
  /**
   * It is larger than a link on the way: of this host when `from` is null, else of the router that says so. `mtu` is null
   * when it was not said.
   */
  | { readonly kind: "too-big"; readonly mtu: number | null; readonly from: string | null }
  | { readonly kind: "unreachable"; readonly reason: string; readonly from: string }
  /** This host has not sent it, with the kernel's words. */
  | { readonly kind: "unsent"; readonly reason: string }
  | { readonly kind: "silent" };

export interface Pinger extends Disposable {
  /**
   * `size` is that of the whole IP packet, in bytes, which is not fragmented on the way and takes no notice of what the
   * kernel remembers of the path. Rejects only with the signal's reason.
   */
  ping(to: Ip, size: number, limit: Millis, signal: AbortSignal): Promise<PingOutcome>;
}

/** Why there is no answer, as far as somebody said so; null when nobody did. */
export function refusalOf(outcome: PingOutcome): string | null {
  switch (outcome.kind) {
    case "unreachable":
      return `${outcome.from} says: ${outcome.reason}`;
    case "unsent":
      return `this host cannot send: ${outcome.reason}`;
    case "reply":
    case "too-big":
    case "silent":
      return null;
  }
}

/** As large as that of ping(8), whatever is measured with it. */
export const SMALL_PACKET = 84;
