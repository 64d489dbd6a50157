// A TCP proxy in front of a port that counts the bytes it carries. It listens on every address: only for a network
// namespace of a lab.

import { connect, createServer, type Server } from "node:net";

export interface CountingProxy {
  readonly port: number;
  /** Payload of TCP since the proxy was opened, both ways. */
  bytes(): number;
}

export async function openCountingProxy(target: number): Promise<CountingProxy> {
  let carried = 0;
  const server = createServer((client) => {
    const upstream = connect(target, "127.0.0.1");
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      socket.setNoDelay(true);
      socket.on("data", (chunk) => {
        carried += chunk.length;
      });
      socket.pipe(other);
      // Whichever end goes takes the other with it.
      socket.on("error", () => other.destroy());
      socket.on("close", () => other.destroy());
    }
  });
  return { port: await listen(server), bytes: () => carried };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((listening, failed) => {
    server.on("error", failed);
    server.listen({ host: "0.0.0.0", port: 0, backlog: 4096 }, listening);
  });
  const address = server.address();
  return address !== null && typeof address === "object" ? address.port : 0;
}
