// What is needed to choose the underlay interface: interfaces, their addresses, default routes, and where a packet would
// go. Facts only; the choice is made in net/underlay.ts.

import type { Ip } from "../base/ip.ts";
import type { NativeAddon } from "../native/native.ts";
import type { InterfaceAddress, UnderlayFacts } from "../net/kernel-net.ts";
import type { LinkName } from "../net/objects.ts";
import { decodeInterfaceAddress, requestAddresses } from "./address.ts";
import { messagesOf } from "./codec.ts";
import { type Connection, dumpHead, refusedTo } from "./connection.ts";
import { RTM_NEWADDR, RTM_NEWROUTE } from "./constants.ts";
import { readLinkName, readLinks } from "./read-links.ts";
import { decodeDefaultRoute, decodeWay, requestLookup, requestRoutes } from "./route.ts";

/** Kernel: a dump is in the order of the destinations, so default routes are in its beginning (facts.test.ts). */
const HEAD_BYTES = 32 * 1024;

/** Kernel: what a lookup says of a destination without a route, or with one that refuses. */
const NO_WAY: readonly string[] = ["ENETUNREACH", "EHOSTUNREACH", "EACCES", "EINVAL"];

export function readUnderlayFacts(connection: Connection, native: NativeAddon): UnderlayFacts {
  const records = readLinks(connection);
  const addresses = readInterfaceAddresses(connection);
  const names = new Map(records.map(({ index, name }) => [index, name]));
  return {
    interfaces: records.map(({ index, name, loopback, link }) => ({
      name,
      index,
      mtu: link.mtu,
      up: link.up,
      loopback,
      addresses: addresses.get(index) ?? [],
    })),
    defaultRoutes: readDefaultRoutes(names, native),
  };
}

function readInterfaceAddresses(connection: Connection): Map<number, InterfaceAddress[]> {
  const { refusal, messages } = connection.dump(requestAddresses(0));
  if (refusal) throw refusedTo("reading the addresses", refusal);
  const byIndex = new Map<number, InterfaceAddress[]>();
  for (const message of messagesOf(messages)) {
    const decoded = message.type === RTM_NEWADDR ? decodeInterfaceAddress(messages, message) : null;
    if (decoded) byIndex.set(decoded.index, [...(byIndex.get(decoded.index) ?? []), decoded.address]);
  }
  return byIndex;
}

function readDefaultRoutes(
  names: ReadonlyMap<number, LinkName>,
  native: NativeAddon,
): readonly { readonly dev: LinkName; readonly metric: number }[] {
  const { refusal, messages } = dumpHead(requestRoutes({ index: null, protocol: null }), HEAD_BYTES, native);
  // Kernel: the main table does not exist before its first route.
  if (refusal && refusal.errno !== "ENOENT") throw refusedTo("reading the default routes", refusal);
  const routes = [...messagesOf(messages)]
    .filter(({ type }) => type === RTM_NEWROUTE)
    .map((message) => decodeDefaultRoute(messages, message))
    .filter((route) => route !== null);
  return routes
    .toSorted((a, b) => a.metric - b.metric)
    .flatMap(({ indices, metric }) => indices.map((index) => ({ dev: names.get(index), metric })))
    .flatMap(({ dev, metric }) => (dev === undefined ? [] : [{ dev, metric }]));
}

export function readWay(
  destination: Ip,
  connection: Connection,
): { readonly dev: LinkName; readonly source: Ip | null; readonly via: Ip | null } | null {
  const { refusal, messages } = connection.ask(requestLookup(destination));
  if (refusal && NO_WAY.includes(refusal.errno)) return null;
  if (refusal) throw refusedTo(`looking up the route to ${destination}`, refusal);
  const [message] = messagesOf(messages);
  if (!message) return null;
  const { index, source, via } = decodeWay(messages, message);
  const dev = index === null ? null : readLinkName(index, connection);
  return dev && { dev, source, via };
}
