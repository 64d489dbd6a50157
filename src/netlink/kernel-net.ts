// KernelNet on rtnetlink: two kinds of sockets, one for requests and one for each listener to changes.
// Requests are answered inside the call (microseconds each), so nothing is ever pending; only apply() gives way to the
// event loop, because thousands of routes take the kernel some hundred milliseconds.

import type { NativeAddon } from "../native/native.ts";
import type { KernelNet } from "../net/kernel-net.ts";
import { applyOps } from "./apply.ts";
import { openConnection } from "./connection.ts";
import { watchHints } from "./hints.ts";
import { readNeighbourTable } from "./neighbour-table.ts";
import { readLinks } from "./read-links.ts";
import { readSnapshot } from "./snapshot.ts";
import { readUnderlayFacts, readWay } from "./underlay-facts.ts";

/** Acts on the network namespace of the process. Throws `netlink.errno` when there is no netlink to be had. */
export function openKernelNet(native: NativeAddon): KernelNet & Disposable {
  const connection = openConnection(native);
  return {
    async read(scope, signal) {
      signal.throwIfAborted();
      return readSnapshot(scope, connection);
    },
    apply: (ops, signal) => applyOps(ops, { connection, native }, signal),
    hints: (signal) => watchHints({ native, connection }, signal),
    async underlayFacts(families, signal) {
      signal.throwIfAborted();
      return readUnderlayFacts(families, connection, native);
    },
    async lookup(destination, signal) {
      signal.throwIfAborted();
      return readWay(destination, connection);
    },
    async neighbourTable(signal) {
      signal.throwIfAborted();
      return readNeighbourTable(connection);
    },
    async links(signal) {
      signal.throwIfAborted();
      return readLinks(connection).map(({ link }) => link);
    },
    [Symbol.dispose]: () => connection[Symbol.dispose](),
  };
}
