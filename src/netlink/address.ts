// IP addresses of interfaces <-> RTM_*ADDR messages.

import * as structs from "netlink/dist/rt/structs.js";
import { type Family, type IfAddr, type Ip, type Ipv4, prefix4, prefixLength } from "../base/ip.ts";
import { type Ipv6, prefix6 } from "../base/ipv6.ts";
import type { InterfaceAddress, InterfaceAddress6 } from "../net/kernel-net.ts";
import type { Address, LinkName } from "../net/objects.ts";
import { attributesOf, encodeBody, type Message, type Request, u32, u32Attribute } from "./codec.ts";
import {
  AF_INET,
  IFA_ADDRESS,
  IFA_CACHEINFO,
  IFA_F_DADFAILED,
  IFA_F_DEPRECATED,
  IFA_F_NODAD,
  IFA_F_PERMANENT,
  IFA_F_SECONDARY,
  IFA_F_TEMPORARY,
  IFA_F_TENTATIVE,
  IFA_FLAGS,
  IFA_LOCAL,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_NEWADDR,
} from "./constants.ts";
import { AF, encodeIp, familyOf, ipAttribute } from "./octets.ts";

/** struct ifaddrmsg */
export const IFADDRMSG = 8;

/** Lifetimes count down, and time must not look like a change. */
export const VOLATILE_OF_ADDRESS: readonly number[] = [IFA_CACHEINFO];

/** The addresses of one interface; of all when `index` is 0. */
export function requestAddresses(index: number, family: Family): Request {
  return { type: RTM_GETADDR, flags: 0, body: addressBody({ family: AF[family], index }, {}) };
}

export function createAddress(address: Address, index: number): Request {
  return { type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_REPLACE, body: bodyFor(address, index) };
}

export function deleteAddress(address: Address, index: number): Request {
  return { type: RTM_DELADDR, flags: 0, body: bodyFor(address, index) };
}

function bodyFor({ address }: Address, index: number): Buffer {
  const local = encodeIp(ipOf(address));
  // Kernel: otherwise an IPv6 address is of no use for a second, in which another host could say that it has it. Nobody
  // can: the address is of a subnet that we alone have leased.
  const flags = familyOf(address) === AF_INET ? {} : { flags: { __unknown: IFA_F_NODAD } };
  const data = { family: familyOf(address), prefixlen: prefixLength(address), index, ...flags };
  // Kernel: without IFA_ADDRESS a deletion ignores the prefix length.
  return addressBody(data, { local, address: local });
}

function addressBody(data: structs.AddressMessage["data"], attrs: structs.AddressMessage["attrs"]): Buffer {
  return encodeBody((out) => structs.formatAddressMessage({ kind: "address", data, attrs }, out));
}

function ipOf(address: IfAddr): Ip {
  return address.slice(0, address.indexOf("/")) as Ip;
}

interface DecodedAddress {
  readonly index: number;
  readonly length: number;
  readonly ip: Ip;
  readonly flags: number;
}

/** Null for an address that has no local end of its own. Throws `netlink.malformed`. */
function decodeFields(buffer: Buffer, message: Message): DecodedAddress | null {
  const attributes = attributesOf(buffer, message, IFADDRMSG);
  const ip = ipAttribute(attributes, IFA_LOCAL) ?? ipAttribute(attributes, IFA_ADDRESS);
  if (ip === null) return null;
  return {
    index: u32(buffer, message.start + 4),
    length: buffer.readUInt8(message.start + 1),
    ip,
    flags: u32Attribute(attributes, IFA_FLAGS) ?? buffer.readUInt8(message.start + 2),
  };
}

export function decodeAddress(buffer: Buffer, message: Message, dev: LinkName): Address | null {
  const fields = decodeFields(buffer, message);
  return fields && { kind: "address", dev, address: `${fields.ip}/${fields.length}` as IfAddr };
}

/** Null for one of the other family. */
export function decodeInterfaceAddress6(
  buffer: Buffer,
  message: Message,
): { readonly index: number; readonly address: InterfaceAddress6 } | null {
  const fields = decodeFields(buffer, message);
  if (!fields || familyOf(fields.ip) === AF_INET) return null;
  const ip = fields.ip as Ipv6;
  const has = (flags: number) => (fields.flags & flags) !== 0;
  return {
    index: fields.index,
    address: {
      ip,
      prefix: prefix6(ip, fields.length),
      permanent: has(IFA_F_PERMANENT),
      temporary: has(IFA_F_TEMPORARY),
      deprecated: has(IFA_F_DEPRECATED),
      tentative: has(IFA_F_TENTATIVE | IFA_F_DADFAILED),
    },
  };
}

/** Null for one of the other family. */
export function decodeInterfaceAddress(
  buffer: Buffer,
  message: Message,
): { readonly index: number; readonly address: InterfaceAddress } | null {
  const fields = decodeFields(buffer, message);
  if (!fields || familyOf(fields.ip) !== AF_INET) return null;
  const ip = fields.ip as Ipv4;
  const has = (flag: number) => (fields.flags & flag) !== 0;
  return {
    index: fields.index,
    address: {
      ip,
      prefix: prefix4(ip, fields.length),
      permanent: has(IFA_F_PERMANENT),
      secondary: has(IFA_F_SECONDARY),
      deprecated: has(IFA_F_DEPRECATED),
    },
  };
}
