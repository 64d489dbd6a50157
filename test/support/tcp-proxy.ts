// A TCP proxy between a client and a server, that can be slow, or swallow everything as a firewall does that
// drops: connections stay, nothing arrives, and nobody is told.

import { once } from "node:events";
import { createServer, connect as open, type Socket } from "node:net";
import { type Millis, millis } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";

export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** How many connections clients have made so far, and how many of them are open. */
  made(): number;
  open(): number;
  /** From now on everything takes this long each way. */
  delay(time: Millis): void;
  /** Pieces that have come and were not passed on. */
  swallowed(): number;
  /** Nothing passes any more; connections are accepted and stay. */
  swallow(): void;
  /** What is swallowed stays lost, and its connections with it: a stream with a hole never goes on. New ones work. */
  pass(): void;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

export async function openTcpProxy(
  target: Address,
  listen: Address = { host: "127.0.0.1", port: 0 },
): Promise<TcpProxy> {
  const stop = new AbortController();
  const sockets = new Set<Socket>();
  let made = 0;
  let wait = millis(0);
  let swallows = false;
  let swallowed = 0;
  /** In order: each piece waits for its own time and for the one before. */
  const pump = (from: Socket, to: Socket, isDead: () => boolean, die: () => void) => {
    let last: Promise<void> = Promise.resolve();
    const later = (deed: () => void) => {
      const due = systemClock.sleep(wait, stop.signal);
      last = last.then(() => due).then(deed, () => {});
    };
    from.on("data", (piece: Buffer) => {
      if (swallows) die();
      if (isDead()) swallowed += 1;
      if (!isDead()) later(() => void (isDead() || to.write(piece)));
    });
    from.on("end", () => isDead() || later(() => void (isDead() || to.end())));
    from.on("error", () => isDead() || to.destroy());
    from.on("close", () => {
      sockets.delete(from);
      if (!isDead()) later(() => void to.destroySoon());
    });
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    made += 1;
    let dead = swallows;
    const upstream = open({ ...target, allowHalfOpen: true });
    for (const socket of [client, upstream]) sockets.add(socket.setNoDelay(true));
    const die = () => {
      dead = true;
    };
    pump(client, upstream, () => dead, die);
    pump(upstream, client, () => dead, die);
  });
  server.listen(listen);
  await once(server, "listening");
  const bound = server.address();
  const port = bound !== null && typeof bound === "object" ? bound.port : 0;
  return {
    port,
    made: () => made,
    open: () => [...sockets].filter((socket) => socket.localPort === port).length,
    delay: (time) => {
      wait = time;
    },
    swallowed: () => swallowed,
    swallow: () => {
      swallows = true;
    },
    pass: () => {
      swallows = false;
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
