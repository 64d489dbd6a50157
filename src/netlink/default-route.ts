// Default routes, which tell through which interface a host reaches others.

import { attributesOf, type Message, u32Attribute } from "./codec.ts";
import { RTA_OIF, RTA_PRIORITY } from "./constants.ts";
import { nextHops, RTM_DST_LEN, RTMSG } from "./route.ts";

/** The devices that a default route leaves through, and its metric; null for any other route. */
export function decodeDefaultRoute(
  buffer: Buffer,
  message: Message,
): { readonly indices: readonly number[]; readonly metric: number } | null {
  const attributes = attributesOf(buffer, message, RTMSG);
  if (buffer[message.start + RTM_DST_LEN] !== 0) return null;
  const index = u32Attribute(attributes, RTA_OIF);
  const indices = index === null ? nextHops(attributes).map((hop) => hop.index) : [index];
  return { indices, metric: u32Attribute(attributes, RTA_PRIORITY) ?? 0 };
}
