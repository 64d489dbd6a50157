// Notifications of the kernel about settings of interfaces, reduced to hints: that forwarding may have been switched off,
// or that something else was said. What the settings are now is for whoever looks.

import { FAMILIES, type Family } from "../base/ip.ts";
import type { NativeAddon } from "../native/native.ts";
import type { ForwardingHint } from "../net/forwarding-hint.ts";
import { attributesOf, type Message, messagesOf, u32Attribute } from "./codec.ts";
import {
  NETCONFA_FORWARDING,
  RTM_DELNETCONF,
  RTM_NEWNETCONF,
  RTNLGRP_IPV4_NETCONF,
  RTNLGRP_IPV6_NETCONF,
} from "./constants.ts";
import { type Multicast, readHints, watchMulticast } from "./multicast.ts";
import { AF } from "./octets.ts";

/** struct netconfmsg, which is one byte, and what attributes begin at. */
const NETCONFMSG = 4;

/** Every interface that is made says four things. */
const RECEIVE_BUFFER = 256 * 1024;

const SOURCE: Multicast<ForwardingHint> = {
  groups: [RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF],
  receiveBuffer: RECEIVE_BUFFER,
  read: (messages) =>
    [...messagesOf(messages)].map((message) => hintOf(messages, message)).filter((hint) => hint !== null),
  anything: { family: null, mayBeOff: true },
  keyOf: ({ family, mayBeOff }) => `${family} ${mayBeOff}`,
};

/** Listens from this call on, until the signal aborts. Throws `netlink.errno` when the kernel has no such groups. */
export function watchForwarding(native: NativeAddon, signal: AbortSignal): AsyncIterable<ForwardingHint> {
  return watchMulticast(SOURCE, native, signal);
}

/** What cannot be read may say that it is off. */
export function forwardingHintsOf(messages: Buffer): readonly ForwardingHint[] {
  return readHints(SOURCE, messages);
}

function hintOf(buffer: Buffer, message: Message): ForwardingHint | null {
  if (message.type !== RTM_NEWNETCONF && message.type !== RTM_DELNETCONF) return null;
  const family = familyAt(buffer, message);
  // An interface that goes takes its settings with it.
  if (message.type === RTM_DELNETCONF) return { family, mayBeOff: false };
  return { family, mayBeOff: u32Attribute(attributesOf(buffer, message, NETCONFMSG), NETCONFA_FORWARDING) === 0 };
}

/** Of MPLS and of what is yet to come it is none. */
function familyAt(buffer: Buffer, { start }: Message): Family | null {
  return FAMILIES.find((family) => AF[family] === buffer[start]) ?? null;
}
