// Bytes <-> netlink messages and their attributes. Messages are built with the struct codecs of the netlink package;
// they are read here, because a sweep reads 15,000 of them and an object per attribute would cost more than the dump.
// No meaning: what a message says is known in link.ts, address.ts, route.ts, neighbour.ts and fdb.ts.

import { AttrStream, readU16, readU16be, readU32, writeU16, writeU32 } from "netlink/dist/structs.js";
import { FlannelError } from "../base/errors.ts";
import { NLM_F_ACK, NLM_F_REQUEST } from "./constants.ts";

export const HEADER_LENGTH = 16;
const ATTRIBUTE_HEADER_LENGTH = 4;
/** The two upper bits of an attribute's type say how it is encoded (NLA_F_NESTED, NLA_F_NET_BYTEORDER). */
const ATTRIBUTE_TYPE_MASK = 0x3fff;

/** A message to send, without its header. */
export interface Request {
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
}

/** A received message: header fields, and where its body is in the buffer. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  readonly port: number;
  readonly start: number;
  readonly end: number;
}

/** The attributes of a message or of another attribute: where each one's payload starts and ends, by type. */
export interface Attributes {
  readonly buffer: Buffer;
  readonly spans: ReadonlyMap<number, Span>;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

export function malformed(what: string, offset: number): FlannelError<"netlink.malformed"> {
  return new FlannelError("netlink.malformed", { what, offset });
}

function align(length: number): number {
  return (length + 3) & ~3;
}

/** Each use of what a CommonJS module exports is a call; a sweep reads some 200,000 numbers. */
const [read16, read32] = [readU16, readU32];

export function u16(buffer: Buffer, offset: number): number {
  return read16.call(buffer, offset);
}

export function u32(buffer: Buffer, offset: number): number {
  return read32.call(buffer, offset);
}

/** A message's body: what the package's formatters emit, in one piece. */
export function encodeBody(emit: (out: AttrStream) => void): Buffer {
  const out = new AttrStream();
  emit(out);
  return Buffer.concat(out.bufs);
}

/**
 * All requests one after the other, numbered from `firstSeq`. Only the last one asks for an acknowledgement: Kernel:
 * requests of one sendmsg are carried out in order and an error is reported for each, whether asked for or not.
 */
export function encodeRequests(requests: readonly Request[], firstSeq: number): Buffer {
  const size = requests.reduce((sum, { body }) => sum + HEADER_LENGTH + align(body.length), 0);
  const buffer = Buffer.alloc(size);
  let offset = 0;
  for (const [index, { type, flags, body }] of requests.entries()) {
    const acknowledge = index === requests.length - 1 ? NLM_F_ACK : 0;
    writeU32.call(buffer, HEADER_LENGTH + body.length, offset);
    writeU16.call(buffer, type, offset + 4);
    writeU16.call(buffer, flags | NLM_F_REQUEST | acknowledge, offset + 6);
    writeU32.call(buffer, (firstSeq + index) >>> 0, offset + 8);
    buffer.set(body, offset + HEADER_LENGTH);
    offset += HEADER_LENGTH + align(body.length);
  }
  return buffer;
}

/** Walks a reply. Throws `netlink.malformed`. */
export function* messagesOf(buffer: Buffer): Generator<Message, void> {
  for (let offset = 0; offset < buffer.length; ) {
    if (offset + HEADER_LENGTH > buffer.length) throw malformed("message header is cut off", offset);
    const length = u32(buffer, offset);
    if (length < HEADER_LENGTH || length > buffer.length - offset) throw malformed(`message length ${length}`, offset);
    yield {
      type: u16(buffer, offset + 4),
      flags: u16(buffer, offset + 6),
      seq: u32(buffer, offset + 8),
      port: u32(buffer, offset + 12),
      start: offset + HEADER_LENGTH,
      end: offset + length,
    };
    offset += align(length);
  }
}

/** Throws `netlink.malformed` when a message is too short for its fixed part. */
export function checkFixedPart(message: Message, length: number): void {
  if (message.end - message.start < length) throw malformed(`body shorter than ${length} bytes`, message.start);
}

/** The attributes that follow a message's fixed part. Of equal ones the last wins. Throws `netlink.malformed`. */
export function attributesOf(buffer: Buffer, message: Message, fixedPart: number): Attributes {
  checkFixedPart(message, fixedPart);
  return attributesBetween(buffer, message.start + fixedPart, message.end);
}

export function attributesBetween(buffer: Buffer, start: number, end: number): Attributes {
  const spans = new Map<number, Span>();
  walkAttributes(buffer, start, end, (type, from, to) => spans.set(type, { start: from, end: to }));
  return { buffer, spans };
}

/** Calls back with the payload of each attribute. Throws `netlink.malformed`. */
export function walkAttributes(
  buffer: Buffer,
  start: number,
  end: number,
  visit: (type: number, start: number, end: number) => void,
): void {
  for (let offset = start; offset + ATTRIBUTE_HEADER_LENGTH <= end; ) {
    const length = u16(buffer, offset);
    if (length < ATTRIBUTE_HEADER_LENGTH || length > end - offset) {
      throw malformed(`attribute length ${length}`, offset);
    }
    visit(u16(buffer, offset + 2) & ATTRIBUTE_TYPE_MASK, offset + ATTRIBUTE_HEADER_LENGTH, offset + length);
    offset += align(length);
  }
}

export function hasAttribute(attributes: Attributes, type: number): boolean {
  return attributes.spans.has(type);
}

/** Null when there is no such attribute. Throws `netlink.malformed` when it is shorter than `size`. */
export function payloadOf({ buffer, spans }: Attributes, type: number, size = 0): Buffer | null {
  const span = spans.get(type);
  if (!span) return null;
  if (span.end - span.start < size) throw malformed(`attribute ${type} is too short`, span.start);
  return buffer.subarray(span.start, span.end);
}

export function u8Attribute(attributes: Attributes, type: number): number | null {
  return payloadOf(attributes, type, 1)?.readUInt8(0) ?? null;
}

export function u32Attribute({ buffer, spans }: Attributes, type: number): number | null {
  const span = spans.get(type);
  if (!span) return null;
  if (span.end - span.start < 4) throw malformed(`attribute ${type} is too short`, span.start);
  return u32(buffer, span.start);
}

/** A port number: big-endian whatever the host is. */
export function u16beAttribute(attributes: Attributes, type: number): number | null {
  const payload = payloadOf(attributes, type, 2);
  return payload && readU16be.call(payload, 0);
}

/** Text, up to its terminating zero. */
export function textAttribute(attributes: Attributes, type: number): string | null {
  const payload = payloadOf(attributes, type);
  if (!payload) return null;
  const zero = payload.indexOf(0);
  return payload.toString("utf8", 0, zero === -1 ? payload.length : zero);
}

/** The attributes inside an attribute. */
export function nestedAttributes(attributes: Attributes, type: number): Attributes | null {
  const span = attributes.spans.get(type);
  return span ? attributesBetween(attributes.buffer, span.start, span.end) : null;
}
