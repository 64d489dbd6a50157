// A peer of the udp backend without a tunnel: a test reads the datagrams that come to it and writes those that it sends,
// each of which is one IPv4 packet.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { inNamespace } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";

const PROGRAM = join(import.meta.dirname, "raw-peer-end.js");
const LIMIT = seconds(30);

export interface Datagram {
  readonly address: string;
  readonly port: number;
  readonly bytes: Buffer;
}

export interface RawPeer extends Disposable {
  readonly received: readonly Datagram[];
  send(address: string, port: number, bytes: Buffer): void;
  /** The first of those received that is wanted, now or later. */
  waitFor(wanted: (bytes: Buffer) => boolean, signal: AbortSignal): Promise<Datagram>;
}

export async function openRawPeer(
  namespace: string,
  address: string,
  port: number,
  signal: AbortSignal,
): Promise<RawPeer> {
  const [file = "", ...args] = inNamespace(namespace, [process.execPath, PROGRAM, address, `${port}`]);
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
  const received: Datagram[] = [];
  let ready = false;
  createInterface({ input: child.stdout }).on("line", (line) => {
    const [from = "", fromPort = "", hex = ""] = line.split(" ");
    if (line === "ready") ready = true;
    else received.push({ address: from, port: Number(fromPort), bytes: Buffer.from(hex, "hex") });
  });
  await waitFor("the raw peer", () => (ready ? true : null), LIMIT, signal);
  return {
    received,
    send: (to, toPort, bytes) => void child.stdin.write(`${to} ${toPort} ${bytes.toString("hex")}\n`),
    waitFor: (wanted) =>
      waitFor("a datagram", () => received.find(({ bytes }) => wanted(bytes)) ?? null, LIMIT, signal),
    [Symbol.dispose]: () => void child.kill("SIGKILL"),
  };
}

export interface Echo {
  readonly source: string;
  readonly destination: string;
  readonly ttl: number;
  /** To know the answer by. */
  readonly id: number;
}

/** An ICMP echo request, as an IPv4 packet. */
export function echoRequest({ source, destination, ttl, id }: Echo): Buffer {
  const packet = Buffer.alloc(60, 0x5a);
  packet.writeUInt32BE(0x45000000 + packet.length, 0);
  packet.writeUInt32BE(0, 4);
  packet.writeUInt8(ttl, 8);
  packet.writeUInt8(1, 9);
  packet.writeUInt16BE(0, 10);
  Buffer.from(source.split(".").map(Number)).copy(packet, 12);
  Buffer.from(destination.split(".").map(Number)).copy(packet, 16);
  packet.writeUInt16BE(checksum(packet.subarray(0, 20)), 10);
  packet.writeUInt32BE(0x08000000, 20);
  packet.writeUInt16BE(id, 24);
  packet.writeUInt16BE(1, 26);
  packet.writeUInt16BE(checksum(packet.subarray(20)), 22);
  return packet;
}

/** Of the internet (RFC 1071); 0 over what holds a right one. */
export function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Whether the packet is the answer to the echo request with this id. */
export function isEchoReply(id: number): (packet: Buffer) => boolean {
  return (packet) => packet[9] === 1 && packet[20] === 0 && packet.readUInt16BE(24) === id;
}
