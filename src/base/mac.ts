// Ethernet addresses as canonical text.

import type { Brand } from "./brand.ts";
import { FlannelError } from "./errors.ts";
import type { Random } from "./random.ts";

/** Lower-case hexadecimal with colons: "c6:d2:32:6f:8f:44". */
export type Mac = Brand<string, "Mac">;

const MAC_TEXT = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** Throws `address.invalid` unless the text is six colon-separated octets. */
export function parseMac(text: string): Mac {
  if (!MAC_TEXT.test(text)) throw new FlannelError("address.invalid", { text, wanted: "a MAC address" });
  return text.toLowerCase() as Mac;
}

export function formatMac(octets: Uint8Array): Mac {
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join(":") as Mac;
}

export function macOctets(mac: Mac): Uint8Array {
  return Uint8Array.from(mac.split(":"), (part) => Number.parseInt(part, 16));
}

/** True for an address that one host may own: neither group nor all zero. */
export function isUnicastMac(mac: Mac): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0 && mac !== "00:00:00:00:00:00";
}

/** A random locally administered unicast address (IEEE 802: bits 1 and 0 of the first octet are 1 and 0). */
export function randomMac(random: Random): Mac {
  const octets = Uint8Array.from(random.bytes(6));
  octets[0] = ((octets[0] ?? 0) & 0xfc) | 0x02;
  return formatMac(octets);
}
