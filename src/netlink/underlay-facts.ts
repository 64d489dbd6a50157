// What is needed to choose the underlay interface: interfaces, their addresses, default routes, and where a packet would
// go. Facts only; the choice is made in net/underlay.ts.

import { type Family, type Ip, prefixLength } from "../base/ip.ts";
import type { Prefix6 } from "../base/ipv6.ts";
import type { NativeAddon } from "../native/native.ts";
import type { UnderlayFacts } from "../net/kernel-net.ts";
import { KERNEL_PROTOCOL, type LinkName, RA_PROTOCOL } from "../net/objects.ts";
import { decodeInterfaceAddress, decodeInterfaceAddress6, requestAddresses } from "./address.ts";
import { attributesOf, type Message, messagesOf } from "./codec.ts";
import { type Connection, dumpHead, refusedTo } from "./connection.ts";
import { RTM_NEWADDR, RTM_NEWROUTE } from "./constants.ts";
import { decodeDefaultRoute } from "./default-route.ts";
import { readLinkName, readLinks } from "./read-links.ts";
import { decodeWay, destinationOf, RTMSG, requestLookup, requestRoutes } from "./route.ts";

/** Kernel: a dump is in the order of the destinations, so default routes are in its beginning (facts.test.ts). */
const HEAD_BYTES = 32 * 1024;

/** Kernel: what a lookup says of a destination without a route, or with one that refuses. */
const NO_WAY: readonly string[] = ["ENETUNREACH", "EHOSTUNREACH", "EACCES", "EINVAL"];

/** IPv6 is looked at only where it is asked for, and its default routes only where they decide. */
export function readUnderlayFacts(
  families: readonly Family[],
  connection: Connection,
  native: NativeAddon,
): UnderlayFacts {
  const records = readLinks(connection);
  const ipv6 = families.includes("ipv6");
  const addresses = readInterfaceAddresses("ipv4", decodeInterfaceAddress, connection);
  const addresses6 = ipv6 ? readInterfaceAddresses("ipv6", decodeInterfaceAddress6, connection) : NONE;
  const networks6 = ipv6 ? readNetworks6(connection) : NONE;
  const names = new Map(records.map(({ index, name }) => [index, name]));
  return {
    interfaces: records.map(({ index, name, loopback, link }) => ({
      name,
      index,
      mtu: link.mtu,
      up: link.up,
      loopback,
      addresses: addresses.get(index) ?? [],
      // Kernel: the newest is told first; an address that is added must not take the place of the one in use.
      addresses6: (addresses6.get(index) ?? []).toReversed(),
      networks6: networks6.get(index) ?? [],
    })),
    defaultRoutes: defaultRoutes(readHead(native), names),
    defaultRoutes6: ipv6 && !families.includes("ipv4") ? defaultRoutes(readAll6(connection), names) : [],
  };
}

const NONE: ReadonlyMap<number, readonly never[]> = new Map();

function readInterfaceAddresses<A>(
  family: Family,
  decode: (buffer: Buffer, message: Message) => { readonly index: number; readonly address: A } | null,
  connection: Connection,
): ReadonlyMap<number, readonly A[]> {
  const { refusal, messages } = connection.dump(requestAddresses(0, family));
  if (refusal) throw refusedTo("reading the addresses", refusal);
  const byIndex = new Map<number, A[]>();
  for (const message of messagesOf(messages)) {
    const decoded = message.type === RTM_NEWADDR ? decode(messages, message) : null;
    if (decoded) byIndex.set(decoded.index, [...(byIndex.get(decoded.index) ?? []), decoded.address]);
  }
  return byIndex;
}

/** By the index of the interface. */
function readNetworks6(connection: Connection): ReadonlyMap<number, readonly Prefix6[]> {
  const byIndex = new Map<number, Prefix6[]>();
  for (const protocol of [KERNEL_PROTOCOL, RA_PROTOCOL]) {
    const { refusal, messages } = connection.dump(requestRoutes({ family: "ipv6", index: null, protocol }));
    if (refusal && refusal.errno !== "ENOENT") throw refusedTo("reading the IPv6 networks", refusal);
    for (const message of messagesOf(messages)) {
      const network = message.type === RTM_NEWROUTE ? decodeNetwork6(messages, message) : null;
      if (network) byIndex.set(network.index, [...(byIndex.get(network.index) ?? []), network.prefix]);
    }
  }
  return byIndex;
}

/** Null for a route with a gateway or several next hops, to everywhere, or to a single address. */
function decodeNetwork6(buffer: Buffer, message: Message): { readonly index: number; readonly prefix: Prefix6 } | null {
  const { index, via } = decodeWay(buffer, message);
  const prefix = destinationOf(attributesOf(buffer, message, RTMSG), buffer, message) as Prefix6;
  const length = prefixLength(prefix);
  return index !== null && via === null && length > 0 && length < 128 ? { index, prefix } : null;
}

function readHead(native: NativeAddon): Buffer {
  const request = requestRoutes({ family: "ipv4", index: null, protocol: null });
  const { refusal, messages } = dumpHead(request, HEAD_BYTES, native);
  // Kernel: the main table does not exist before its first route.
  if (refusal && refusal.errno !== "ENOENT") throw refusedTo("reading the default routes", refusal);
  return messages;
}

/** Kernel: a dump of IPv6 routes has the default routes at its end. */
function readAll6(connection: Connection): Buffer {
  const { refusal, messages } = connection.dump(requestRoutes({ family: "ipv6", index: null, protocol: null }));
  if (refusal && refusal.errno !== "ENOENT") throw refusedTo("reading the IPv6 default routes", refusal);
  return messages;
}

function defaultRoutes(
  messages: Buffer,
  names: ReadonlyMap<number, LinkName>,
): readonly { readonly dev: LinkName; readonly metric: number }[] {
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
