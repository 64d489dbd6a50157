// Requests and their answers: sequence numbers, acknowledgements, multipart dumps, the kernel's own words for an error.
// One request at a time, each answered before the call returns (see native/netlink_socket.c). It does not know what the
// messages are about, and it retries nothing but a dump that the kernel itself says it could not take in one piece.

import { FlannelError, messageOf } from "../base/errors.ts";
import type { NativeAddon, NetlinkSocket } from "../native/native.ts";
import type { LinkName } from "../net/objects.ts";
import {
  attributesBetween,
  encodeRequests,
  HEADER_LENGTH,
  type Message,
  malformed,
  messagesOf,
  type Request,
  textAttribute,
  u32,
} from "./codec.ts";
import {
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSGERR_ATTR_MSG,
} from "./constants.ts";
import { codeOf, errnoName } from "./errno.ts";

/** Why the kernel did not do something. */
export interface Refusal {
  readonly errno: string;
  /** The extended acknowledgement's text, if there is one. */
  readonly message: string | null;
}

/** Either a refusal or messages, which may be none. */
export interface Answer {
  readonly refusal: Refusal | null;
  readonly messages: Buffer;
}

export interface Connection extends Disposable {
  /** The nlmsg_pid of notifications that our own requests cause. */
  portId(): number;
  /** One request that is answered by one message. */
  ask(request: Request): Answer;
  /** A request that is answered by many. */
  dump(request: Request): Answer;
  /** Requests that change something, in one system call; an outcome for each, null when it was carried out. */
  execute(requests: readonly Request[]): readonly (Refusal | null)[];
  /** What rtnetlink does not tell of a device, and ethtool does: see VxlanLink. True when the device has gone. */
  checksumOffload(name: LinkName): boolean;
}

/** Holds the answers to a whole batch even if each one is an error with a text. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;

/** A dump taken while its table changes is flagged; this many in a row are not a coincidence any more. */
const DUMP_ATTEMPTS = 5;

const NOTHING = Buffer.alloc(0);
const OVERRUN: Refusal = { errno: "ENOBUFS", message: "the kernel had no room for its answers" };
const INTERRUPTED: Refusal = { errno: "EINTR", message: "the table changed during each attempt to read it" };

/** To rtnetlink when no other protocol is named. Throws `netlink.errno`. */
export function openConnection(native: NativeAddon, protocol?: number): Connection {
  let socket = openSocket(native, protocol);
  let isSpoilt = false;
  let sequence = 0;
  // At the next request and not before, so that one that cannot be had now (no descriptor, no memory) is had then.
  const renew = () => {
    socket[Symbol.dispose]();
    socket = openSocket(native, protocol);
    isSpoilt = false;
  };
  /** Null when answers were lost. What is left of them must not be mixed into the next: a new socket takes over. */
  const transact = (requests: readonly Request[]): Transcript | null => {
    if (isSpoilt) renew();
    const firstSeq = sequence + 1;
    sequence = (sequence + requests.length) % 0x7fffffff;
    try {
      return readTranscript(socket.request(encodeRequests(requests, firstSeq)), firstSeq, requests.length);
    } catch (error) {
      const errno = codeOf(error);
      if (errno === null || error instanceof FlannelError) throw error;
      isSpoilt = errno !== "EBADF";
      if (errno === "ENOBUFS") return null;
      throw refusedToTalk(error);
    }
  };
  return {
    portId: () => socket.portId,
    ask(request) {
      const transcript = transact([request]);
      return transcript ? answerOf(transcript) : { refusal: OVERRUN, messages: NOTHING };
    },
    dump: (request) => dumpUntilWhole(() => transact([{ ...request, flags: request.flags | NLM_F_DUMP }])),
    execute: (requests) => transact(requests)?.outcomes ?? requests.map(() => OVERRUN),
    checksumOffload: (name) => readChecksumOffload(name, native),
    [Symbol.dispose]: () => socket[Symbol.dispose](),
  };
}

/** A device that has gone is told of by whoever looks for it next. */
function readChecksumOffload(name: LinkName, native: NativeAddon): boolean {
  try {
    return native.checksumOffload(name);
  } catch (error) {
    const errno = codeOf(error);
    if (errno === "ENODEV") return true;
    throw refusedTo(`reading the checksum offload of ${name}`, {
      errno: errno ?? "UNKNOWN",
      message: messageOf(error),
    });
  }
}

/**
 * The first `limit` bytes or so of a dump, on a socket of its own that is closed in the middle of the answer: the table
 * may be a BGP router's, and only its beginning is wanted.
 */
export function dumpHead(request: Request, limit: number, native: NativeAddon): Answer {
  using socket = openSocket(native);
  const requests = [{ ...request, flags: request.flags | NLM_F_DUMP }];
  return answerOf(sortReply(socket.request(encodeRequests(requests, 1), limit), 1, 1));
}

function openSocket(native: NativeAddon, protocol?: number): NetlinkSocket {
  try {
    return native.openNetlinkSocket(RECEIVE_BUFFER, protocol);
  } catch (error) {
    throw refusedToTalk(error);
  }
}

export function refusedToTalk(error: unknown): FlannelError<"netlink.errno"> {
  const errno = codeOf(error) ?? "UNKNOWN";
  return new FlannelError("netlink.errno", { op: "a netlink socket", errno, message: messageOf(error) });
}

export function refusedTo(op: string, { errno, message }: Refusal): FlannelError<"netlink.errno"> {
  return new FlannelError("netlink.errno", { op, errno, message });
}

function dumpUntilWhole(attempt: () => Transcript | null): Answer {
  let refusal = OVERRUN;
  for (let attempts = 0; attempts < DUMP_ATTEMPTS; attempts++) {
    const transcript = attempt();
    if (transcript && !transcript.interrupted) return answerOf(transcript);
    refusal = transcript ? INTERRUPTED : OVERRUN;
  }
  return { refusal, messages: NOTHING };
}

/** What the kernel said to some requests. */
export interface Transcript {
  /** The data messages, without acknowledgements and end marks. */
  readonly messages: Buffer;
  /** For each request. */
  readonly outcomes: readonly (Refusal | null)[];
  /** NLM_F_DUMP_INTR: the table changed while it was dumped. */
  readonly interrupted: boolean;
  /** The last request was answered. */
  readonly finished: boolean;
}

function answerOf({ messages, outcomes }: Transcript): Answer {
  return { refusal: outcomes[0] ?? null, messages };
}

/** Sorts a reply by request. Throws `netlink.malformed`, also when it ends before the last request is answered. */
export function readTranscript(reply: Buffer, firstSeq: number, count: number): Transcript {
  const transcript = sortReply(reply, firstSeq, count);
  if (!transcript.finished) throw malformed("the answer has no end", reply.length);
  return transcript;
}

function sortReply(reply: Buffer, firstSeq: number, count: number): Transcript {
  const outcomes = new Array<Refusal | null>(count).fill(null);
  let interrupted = false;
  let finished = false;
  let end = 0;
  for (const message of messagesOf(reply)) {
    const index = message.seq - firstSeq;
    if (index < 0 || index >= count) continue;
    if ((message.flags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
    if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
      outcomes[index] = refusalOf(reply, message);
      if (index === count - 1) finished = true;
    } else {
      end = appendMessage(reply, message, end);
    }
  }
  return { messages: reply.subarray(0, end), outcomes, interrupted, finished };
}

/** Data messages are moved together at the front of the reply, which is ours alone. */
function appendMessage(reply: Buffer, message: Message, at: number): number {
  const from = message.start - HEADER_LENGTH;
  const to = Math.min((message.end + 3) & ~3, reply.length);
  if (from !== at) reply.copyWithin(at, from, to);
  return at + to - from;
}

function refusalOf(buffer: Buffer, message: Message): Refusal | null {
  if (message.end - message.start < 4) throw malformed("error without a number", message.start);
  const errno = -(u32(buffer, message.start) | 0);
  return errno === 0 ? null : { errno: errnoName(errno), message: extendedText(buffer, message) };
}

/** The text stands after the number and, in an error, after the header (or, uncapped, the whole) of the request. */
function extendedText(buffer: Buffer, message: Message): string | null {
  if ((message.flags & NLM_F_ACK_TLVS) === 0) return null;
  let start = message.start + 4;
  if (message.type === NLMSG_ERROR) {
    if (start + HEADER_LENGTH > message.end) return null;
    const original = (message.flags & NLM_F_CAPPED) !== 0 ? HEADER_LENGTH : u32(buffer, start);
    if (original > message.end - start) return null;
    start += (original + 3) & ~3;
  }
  return start < message.end ? textAttribute(attributesBetween(buffer, start, message.end), NLMSGERR_ATTR_MSG) : null;
}
