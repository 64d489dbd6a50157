// ICMP echo by the package raw-socket, which is loaded when the first pinger is opened. Its traps: the message is a view
// of a buffer that is used again, an address of the wrong family is sent to nowhere, and of an error there is only a text.

import type { Socket } from "raw-socket";
import type { Clock } from "../base/clock.ts";
import { FlannelError, messageOf } from "../base/errors.ts";
import { type Family, familyOf, type Ip } from "../base/ip.ts";
import type { Random } from "../base/random.ts";
import { childSignal } from "../base/signals.ts";
import { decodeEchoNews, type EchoNews, encodeEchoRequest, HEARD } from "./echo.ts";
import type { Pinger, PingOutcome } from "./pinger.ts";

export interface RawPingerDeps {
  readonly clock: Clock;
  readonly random: Random;
}

interface FamilySocket {
  readonly protocol: number;
  readonly addressFamily: 1 | 2;
  /** Socket options, as linux/in.h and linux/in6.h number them. */
  readonly level: number;
  readonly mtuDiscover: number;
  readonly filterLevel: number;
}

const FAMILIES: Readonly<Record<Family, FamilySocket>> = {
  // IPPROTO_ICMP; IPPROTO_IP, IP_MTU_DISCOVER; SOL_RAW
  ipv4: { protocol: 1, addressFamily: 1, level: 0, mtuDiscover: 10, filterLevel: 255 },
  // IPPROTO_ICMPV6; IPPROTO_IPV6, IPV6_MTU_DISCOVER; SOL_ICMPV6
  ipv6: { protocol: 58, addressFamily: 2, level: 41, mtuDiscover: 23, filterLevel: 58 },
};

/** Kernel: sets DF, and looks only at the device's MTU and not at what is remembered of the path. */
const PMTUDISC_PROBE = 3;
/** ICMP_FILTER and ICMPV6_FILTER */
const FILTER = 1;
/** The errors and replies that we look at quote less than this. */
const MESSAGE_BYTES = 2048;

type CreateSocket = typeof import("raw-socket").createSocket;

interface Waiting {
  readonly to: Ip;
  readonly settle: (outcome: PingOutcome) => void;
  readonly sentAt: number;
}

/** Throws `privilege.missing` and `native.unavailable`. */
export async function openRawPinger(deps: RawPingerDeps): Promise<Pinger> {
  const { createSocket } = await loadRawSocket();
  const id = deps.random.integer(1, 0xffff);
  const waiting = new Map<number, Waiting>();
  const sockets = createSockets(createSocket, (news, from) => {
    if (news.id === id) hear(news, from, waiting, deps.clock);
  });
  // Now and not with the first packet, so that a missing privilege is told at once.
  try {
    sockets.of("ipv4");
  } catch (error) {
    throw describeOpenError(error);
  }
  let last = 0;
  const nextSequence = () => {
    do last = (last + 1) & 0xffff;
    while (waiting.has(last));
    return last;
  };
  return {
    async ping(to, size, limit, signal) {
      signal.throwIfAborted();
      const family = familyOf(to);
      const sequence = nextSequence();
      const request = encodeEchoRequest(family, { id, sequence }, size);
      using timer = childSignal(signal);
      try {
        return await new Promise<PingOutcome>((settle, fail) => {
          waiting.set(sequence, { to, settle, sentAt: deps.clock.monotonic() });
          deps.clock.sleep(limit, timer.signal).then(() => settle({ kind: "silent" }), fail);
          sockets.send(family, request, to, (error) => settle(unsent(error)));
        });
      } finally {
        waiting.delete(sequence);
        timer.abort();
      }
    },
    [Symbol.dispose]: sockets.close,
  };
}

interface Sockets {
  /** Throws what the package says when it cannot be opened. */
  of(family: Family): Socket;
  send(family: Family, request: Buffer, to: Ip, onError: (error: unknown) => void): void;
  close(): void;
}

function createSockets(createSocket: CreateSocket, onNews: (news: EchoNews, from: string) => void): Sockets {
  const open = new Map<Family, Socket>();
  const of = (family: Family) => {
    const known = open.get(family);
    if (known) return known;
    const socket = openSocket(family, createSocket);
    socket.on("message", (packet: Buffer, from: string) => {
      const news = decodeEchoNews(family, packet);
      if (news) onNews(news, from);
    });
    // A read that failed: what it would have said counts as not said.
    socket.on("error", () => {});
    open.set(family, socket);
    return socket;
  };
  return {
    of,
    send(family, request, to, onError) {
      try {
        of(family).send(request, 0, request.length, to, (error) => error && onError(error));
      } catch (error) {
        // The host has no IPv6, or too many files are open: the next one may be sent.
        onError(error);
      }
    },
    close() {
      for (const socket of open.values()) socket.close();
    },
  };
}

function hear(news: EchoNews, from: string, waiting: ReadonlyMap<number, Waiting>, clock: Clock): void {
  const one = waiting.get(news.sequence);
  switch (news.kind) {
    case "reply":
      if (from === one?.to) {
        one.settle({ kind: "reply", rtt: Math.max(0, clock.monotonic() - one.sentAt) as PingTime });
      }
      return;
    case "too-big":
      one?.settle({ kind: "too-big", mtu: news.mtu || null, from });
      return;
    case "unreachable":
      one?.settle({ kind: "unreachable", reason: news.reason, from });
      return;
  }
}

type PingTime = Extract<PingOutcome, { kind: "reply" }>["rtt"];

/** glibc: the texts of strerror(3); the package keeps nothing else. */
function unsent(error: unknown): PingOutcome {
  const text = messageOf(error);
  if (text === "Message too long") return { kind: "too-big", mtu: null, from: null };
  return { kind: "unsent", reason: text.toLowerCase() };
}

async function loadRawSocket(): Promise<typeof import("raw-socket")> {
  try {
    return await import("raw-socket");
  } catch (error) {
    const [reason = ""] = messageOf(error).split("\n");
    throw new FlannelError("native.unavailable", { path: "raw-socket.node", reason }, { cause: error });
  }
}

function openSocket(family: Family, createSocket: CreateSocket): Socket {
  const { protocol, addressFamily, level, mtuDiscover, filterLevel } = FAMILIES[family];
  const socket = createSocket({ protocol, addressFamily, bufferSize: MESSAGE_BYTES });
  try {
    socket.setOption(level, mtuDiscover, PMTUDISC_PROBE);
    const filter = filterOf(family);
    socket.setOption(filterLevel, FILTER, filter, filter.length);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

function describeOpenError(error: unknown): FlannelError {
  if (messageOf(error) === "Operation not permitted") {
    return new FlannelError("privilege.missing", { capability: "CAP_NET_RAW" });
  }
  return new FlannelError("native.unavailable", { path: "raw-socket.node", reason: messageOf(error) });
}

/** Kernel: a bit for each type that is not wanted; 32 types with IPv4, 256 with IPv6, in words of the machine's order. */
function filterOf(family: Family): Buffer {
  const words = new Uint32Array(family === "ipv4" ? 1 : 8).fill(0xffff_ffff);
  for (const type of HEARD[family]) words[type >> 5] = (words[type >> 5] ?? 0) & ~(1 << (type & 31));
  return Buffer.from(words.buffer);
}
