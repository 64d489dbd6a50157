// Notifications of the kernel, reduced to hints: that something of a kind changed on a device. What it is now is for the
// next reading to find out, so nothing is decoded but the kind and the device, and equal hints of a burst become one.

import { addAbortListener } from "node:events";
import { createDoorbell, type Doorbell } from "../base/doorbell.ts";
import { isError } from "../base/errors.ts";
import type { NativeAddon } from "../native/native.ts";
import type { NetHint } from "../net/kernel-net.ts";
import type { LinkName } from "../net/objects.ts";
import { attributesOf, checkFixedPart, type Message, messagesOf, u32 } from "./codec.ts";
import { type Connection, refusedToTalk } from "./connection.ts";
import {
  AF_BRIDGE,
  NLM_F_REPLACE,
  RT_TABLE_MAIN,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELNEIGH,
  RTM_DELROUTE,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  RTM_NEWROUTE,
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_IPV6_IFADDR,
  RTNLGRP_IPV6_ROUTE,
  RTNLGRP_LINK,
  RTNLGRP_NEIGH,
} from "./constants.ts";
import { linkIndex, linkName } from "./link.ts";
import { readLinkName, readLinks } from "./read-links.ts";
import { destinationOf, RTMSG, routeIndex, routeTable } from "./route.ts";

const GROUPS = [
  RTNLGRP_LINK,
  RTNLGRP_NEIGH,
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_IPV6_IFADDR,
  RTNLGRP_IPV6_ROUTE,
];

/** Some seconds of a busy host; more than that is an overflow hint, which costs one reading. */
const RECEIVE_BUFFER = 2 * 1024 * 1024;

/** Distinct hints that nobody has fetched yet; beyond that, "everything" says as much. */
const MOST_PENDING = 256;

const EVERYTHING: NetHint = { reason: "overflow", dev: null };

interface HintDeps {
  readonly native: NativeAddon;
  readonly connection: Connection;
}

/** Listens from this call on, until the signal aborts. */
export function watchHints(deps: HintDeps, signal: AbortSignal): AsyncIterable<NetHint> {
  const bell = createDoorbell();
  const pending = createPending();
  const read = createReader(deps.connection);
  const listener = (messages: Buffer, overrun: boolean) => {
    if (overrun) pending.add(EVERYTHING);
    for (const hint of read(messages)) pending.add(hint);
    bell.ring("hint");
  };
  const monitor = openMonitor(deps.native, listener);
  const abort = addAbortListener(signal, () => monitor[Symbol.dispose]());
  const close = () => {
    abort[Symbol.dispose]();
    monitor[Symbol.dispose]();
  };
  return hintsUntilAborted(bell, pending, close, signal);
}

function openMonitor(native: NativeAddon, listener: (messages: Buffer, overrun: boolean) => void): Disposable {
  try {
    return native.openNetlinkMonitor(GROUPS, RECEIVE_BUFFER, listener);
  } catch (error) {
    throw refusedToTalk(error);
  }
}

async function* hintsUntilAborted(
  bell: Doorbell,
  pending: Pending,
  close: () => void,
  signal: AbortSignal,
): AsyncGenerator<NetHint, void> {
  try {
    while (!signal.aborted) {
      await bell.wait(signal);
      yield* pending.take();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    close();
  }
}

interface Pending {
  add(hint: NetHint): void;
  take(): readonly NetHint[];
}

function createPending(): Pending {
  let hints = new Map<string, NetHint>();
  return {
    add(hint) {
      hints.set(`${hint.reason} ${hint.dev} ${hint.over ?? ""}`, hint);
      if (hints.size > MOST_PENDING) hints = new Map([["", EVERYTHING]]);
    },
    take() {
      const taken = [...hints.values()];
      hints.clear();
      return taken;
    },
  };
}

/**
 * Turns datagrams into hints. Names are known from the start and kept up to date by the link notifications themselves:
 * those about a device that is being deleted come when it cannot be looked up any more.
 */
function createReader(connection: Connection): (messages: Buffer) => readonly NetHint[] {
  const names = new Map(readLinks(connection).map(({ index, name }) => [index, name]));
  const nameOf = (index: number | null): LinkName | null => {
    if (index === null) return null;
    const name = names.get(index) ?? readLinkName(index, connection);
    if (name) names.set(index, name);
    return name;
  };
  return (messages) => {
    try {
      return [...messagesOf(messages)].flatMap((message) => {
        const hint = hintOf(messages, message, nameOf);
        const formerName = learnName(names, messages, message);
        // Our own doing is remembered for its names only.
        if (hint === null || message.port === connection.portId()) return [];
        return formerName === null ? [hint] : [hint, { ...hint, dev: formerName }];
      });
    } catch (error) {
      if (isError(error, "netlink.malformed")) return [EVERYTHING];
      throw error;
    }
  };
}

/** Returns the name that the link had when it has another one now: nothing else tells that this one is gone. */
function learnName(names: Map<number, LinkName>, buffer: Buffer, message: Message): LinkName | null {
  // A port that leaves its bridge is announced as a deleted link of the bridge family, and is still there.
  const bridged = buffer[message.start] === AF_BRIDGE;
  if (message.type === RTM_DELLINK && !bridged) names.delete(linkIndex(buffer, message));
  const name = message.type === RTM_NEWLINK ? linkName(buffer, message) : null;
  if (!name) return null;
  const index = linkIndex(buffer, message);
  const before = names.get(index) ?? name;
  names.set(index, name);
  return before === name ? null : before;
}

function hintOf(buffer: Buffer, message: Message, nameOf: (index: number | null) => LinkName | null): NetHint | null {
  switch (message.type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return { reason: "link", dev: linkName(buffer, message) };
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return { reason: "address", dev: nameOf(indexAt4(buffer, message)) };
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      if (routeTable(buffer, message) !== RT_TABLE_MAIN) return null;
      return { reason: "route", dev: nameOf(routeIndex(buffer, message)), ...pushedOut(buffer, message) };
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return { reason: "neighbour", dev: nameOf(indexAt4(buffer, message)) };
    // A kind of message that we did not ask for says nothing about what we hold.
    default:
      return null;
  }
}

/** Kernel: a route that has replaced another one is all that is told of the change (undone.test.ts). */
function pushedOut(buffer: Buffer, message: Message): Pick<NetHint, "over"> {
  if (message.type !== RTM_NEWROUTE || (message.flags & NLM_F_REPLACE) === 0) return {};
  return { over: destinationOf(attributesOf(buffer, message, RTMSG), buffer, message) };
}

/** ifa_index and ndm_ifindex are at the same place. */
function indexAt4(buffer: Buffer, message: Message): number {
  checkFixedPart(message, 8);
  return u32(buffer, message.start + 4);
}
