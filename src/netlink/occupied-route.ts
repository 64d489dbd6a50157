// A route's place is taken: another one has its destination and metric. Whose it is decides. One of our own protocol
// number is left from an earlier config (another VNI or interface) and is replaced; anybody else's is left alone and named.
// Where ours stood before, it comes before the other one.

import { familyOf, type Prefix } from "../base/ip.ts";
import { describeObject, FLANNEL_PROTOCOL, type Route, sameObject } from "../net/objects.ts";
import { messagesOf } from "./codec.ts";
import type { Connection, Refusal } from "./connection.ts";
import { readLinkName } from "./read-links.ts";
import { createRoute, decodeRoute, decodeWay, prependRoute, replaceRoute, requestMatch, vacatePlace } from "./route.ts";

export interface Claim {
  /** Of the route's device. */
  readonly index: number;
  /** It stood there before. */
  readonly retake: boolean;
}

/** Null when the route stands in the end. */
export function settleOccupied(route: Route, { index, retake }: Claim, connection: Connection): Refusal | null {
  const present = readRouteTo(route.dst, connection);
  if (present && sameObject(present, route)) return null;
  if (retake) return takePlace(route, index, connection);
  if (present?.protocol === FLANNEL_PROTOCOL) return connection.execute([replaceRoute(route, index)])[0] ?? null;
  const holder = present ? `${describeObject(present)} proto ${present.protocol}` : "another route of this destination";
  return { errno: "EEXIST", message: `${holder} stands in its place` };
}

/**
 * Kernel: of the IPv4 routes of one destination and metric the first is followed, whatever its type. Those of IPv6 are
 * next hops of one another, and a replacement is refused while the old one leads to the new one's on-link gateway through
 * another device: it has to go.
 */
function takePlace(route: Route, index: number, connection: Connection): Refusal | null {
  if (familyOf(route.dst) === "ipv4") return connection.execute([prependRoute(route, index)])[0] ?? null;
  const [, made] = connection.execute([vacatePlace(route), createRoute(route, index)]);
  return made ?? null;
}

/** The route of exactly this destination, if it is one that a Route can say. */
function readRouteTo(dst: Prefix, connection: Connection): Route | null {
  const { messages } = connection.ask(requestMatch(dst));
  const [message] = messagesOf(messages);
  if (!message) return null;
  const { index } = decodeWay(messages, message);
  const dev = index === null ? null : readLinkName(index, connection);
  const route = dev === null ? null : decodeRoute(messages, message, dev);
  return route?.dst === dst ? route : null;
}
