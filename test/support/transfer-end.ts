// One end of a transfer: a program that the end-to-end tests run in a pod (transfer.ts). Both ends send a stream of bytes
// that looks like noise, and each sees whether the other's has arrived as it was sent.
// Usage: transfer-end.js serve|connect ADDRESS BYTES

import { createCipheriv, createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, createServer, type Socket } from "node:net";

const PORT = 7000;
const CHUNK = Buffer.alloc(256 * 1024);
const DATAGRAMS = 600;
const AT_ONCE = 32;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function* noise(side: string, bytes: number): Generator<Buffer> {
  const key = createHash("sha256").update(side).digest().subarray(0, 16);
  const cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  for (let left = bytes; left > 0; left -= CHUNK.length)
    yield cipher.update(CHUNK.subarray(0, Math.min(left, CHUNK.length)));
}

function digestOf(chunks: Iterable<Buffer>): string {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

async function send(socket: Socket, side: string, bytes: number): Promise<void> {
  for (const chunk of noise(side, bytes)) {
    if (!socket.write(chunk)) await new Promise((resolve) => socket.once("drain", resolve));
  }
  socket.end();
}

/** Node: a loop over the socket would close it at its end, also for what is still to be sent. */
async function receive(socket: Socket): Promise<string> {
  const hash = createHash("sha256");
  socket.on("data", (chunk) => hash.update(chunk));
  await new Promise((resolve) => socket.once("end", resolve));
  return hash.digest("hex");
}

async function exchange(socket: Socket, own: string, other: string, bytes: number): Promise<void> {
  const [received] = await Promise.all([receive(socket), send(socket, own, bytes)]);
  say(received === digestOf(noise(other, bytes)) ? "stream intact" : `stream differs: ${received}`);
}

/** Datagrams of many sizes, each of which must come back as it went. */
function echo(address: string, done: () => void): void {
  const socket = createSocket(datagramsOf(address));
  const waiting = new Map<number, Buffer>();
  let next = 0;
  let differ = 0;
  const fill = () => {
    for (; waiting.size < AT_ONCE && next < DATAGRAMS; next++) {
      const [bytes = Buffer.alloc(0)] = noise(`datagram ${next}`, 4 + ((next * 37) % 1400));
      bytes.writeUInt32BE(next);
      waiting.set(next, bytes);
      socket.send(bytes, PORT, address);
    }
    if (waiting.size > 0) return;
    say(differ === 0 ? "datagrams intact" : `${differ} datagrams differ`);
    clearInterval(again);
    socket.close();
    done();
  };
  // UDP may lose one.
  const again = setInterval(() => {
    for (const bytes of waiting.values()) socket.send(bytes, PORT, address);
  }, 500);
  socket.on("message", (bytes) => {
    const number = bytes.readUInt32BE();
    const sent = waiting.get(number);
    if (!sent) return;
    waiting.delete(number);
    if (!sent.equals(bytes)) differ += 1;
    fill();
  });
  fill();
}

function datagramsOf(address: string): "udp4" | "udp6" {
  return address.includes(":") ? "udp6" : "udp4";
}

function serve(address: string, bytes: number): void {
  const datagrams = createSocket(datagramsOf(address));
  datagrams.on("message", (message, { port, address: from }) => datagrams.send(message, port, from));
  datagrams.bind(PORT, address);
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    void exchange(socket, "server", "client", bytes).then(() => server.close());
  });
  server.on("close", () => process.exit());
  server.listen(PORT, address, () => say("listening"));
}

function call(address: string, bytes: number): void {
  echo(address, () => {
    const socket = connect({ port: PORT, host: address, allowHalfOpen: true });
    void exchange(socket, "client", "server", bytes);
  });
}

const [, , role = "", address = "", bytes = ""] = process.argv;
(role === "serve" ? serve : call)(address, Number(bytes));
