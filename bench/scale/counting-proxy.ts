// A TCP proxy on loopback that counts the bytes it carries, both ways.

import { connect, createServer, type Server, type Socket } from "node:net";

export interface CountingProxy extends AsyncDisposable {
  /** In place of the server's own. */
  readonly endpoint: string;
  /** Payload of TCP since the proxy was opened: what clients have sent, and what they have got. */
  bytes(): { readonly sent: number; readonly received: number };
}

export async function openCountingProxy(target: string): Promise<CountingProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let sent = 0;
  let received = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    client.on("data", (chunk) => {
      sent += chunk.length;
    });
    upstream.on("data", (chunk) => {
      received += chunk.length;
    });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.pipe(other);
      // Whichever end goes takes the other with it.
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  return {
    endpoint: `http://127.0.0.1:${await listen(server)}`,
    bytes: () => ({ sent, received }),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((listening, failed) => {
    server.on("error", failed);
    server.listen(0, "127.0.0.1", listening);
  });
  const address = server.address();
  return address !== null && typeof address === "object" ? address.port : 0;
}
