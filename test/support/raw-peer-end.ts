// A UDP socket that prints what it gets and sends what it is told: a program that the end-to-end tests run on a host that
// has no daemon (raw-peer.ts). Usage: raw-peer-end.js ADDRESS PORT

import { createSocket } from "node:dgram";
import { createInterface } from "node:readline";

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const [, , address = "", port = ""] = process.argv;
const socket = createSocket("udp4");
socket.on("message", (message, from) => say(`${from.address} ${from.port} ${message.toString("hex")}`));
socket.bind(Number(port), address, () => say("ready"));
createInterface({ input: process.stdin }).on("line", (line) => {
  const [to = "", toPort = "", hex = ""] = line.split(" ");
  socket.send(Buffer.from(hex, "hex"), Number(toPort), to);
});
