// A route's place is taken: another one has its destination and metric. Whose it is decides. One of our own protocol
// number is left from an earlier config (another VNI or interface) and is replaced; anybody else's is left alone and named.

import type { Prefix } from "../base/ip.ts";
import { describeObject, FLANNEL_PROTOCOL, type Route, sameObject } from "../net/objects.ts";
import { messagesOf } from "./codec.ts";
import type { Connection, Refusal } from "./connection.ts";
import { readLinkName } from "./read-links.ts";
import { decodeRoute, decodeWay, replaceRoute, requestMatch } from "./route.ts";

/** Null when the route stands in the end. */
export function settleOccupied(route: Route, index: number, connection: Connection): Refusal | null {
  const present = readRouteTo(route.dst, connection);
  if (present && sameObject(present, route)) return null;
  if (present?.protocol === FLANNEL_PROTOCOL) {
    return connection.execute([replaceRoute(route, index)])[0] ?? null;
  }
  const holder = present ? `${describeObject(present)} proto ${present.protocol}` : "another route of this destination";
  return { errno: "EEXIST", message: `${holder} stands in its place` };
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
