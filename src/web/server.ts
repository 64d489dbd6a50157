// The page's HTTP server. It decides nothing: what is answered is in answer.ts. Whoever looks has little time for a
// request, and a crowd costs no more than a few connections.

import { createServer, type Server, type ServerResponse } from "node:http";
import { FlannelError, messageOf } from "../base/errors.ts";
import { answerWeb, SECURITY_HEADERS, type WebAnswer, type WebDesk } from "./answer.ts";
import { formatAddress, type ListenAddress } from "./listen-address.ts";
import type { Streams } from "./streams.ts";

export interface WebServer extends AsyncDisposable {
  /** The port that the kernel chose when 0 was asked for. */
  readonly port: number;
}

export interface WebServerDesk extends WebDesk {
  /** A page was opened. */
  readonly onOpen: () => void;
}

const REQUEST_LIMIT_MILLIS = 5000;
const MOST_CONNECTIONS = 128;
const MOST_STREAMS = 32;

/** Throws `listen.failed`. Disposal lets everybody go. */
export async function openWeb(address: ListenAddress, desk: WebServerDesk, streams: Streams): Promise<WebServer> {
  const limits = { requestTimeout: REQUEST_LIMIT_MILLIS, headersTimeout: REQUEST_LIMIT_MILLIS };
  const server = createServer(limits, (request, response) => {
    response.on("error", () => {});
    const asked = { method: request.method ?? "", url: request.url ?? "", host: request.headers.host ?? null };
    answerWeb(asked, desk).then(
      (answer) => {
        if (answer.kind === "stream") desk.onOpen();
        send(answer, response, streams);
      },
      () => response.destroy(),
    );
  });
  server.maxConnections = MOST_CONNECTIONS;
  await listen(server, address);
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : address.port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function send(answer: WebAnswer, response: ServerResponse, streams: Streams): void {
  if (answer.kind === "text") {
    const { status, type, body } = answer;
    const length = Buffer.byteLength(body);
    response.writeHead(status, { ...SECURITY_HEADERS, "content-type": type, "content-length": length }).end(body);
    return;
  }
  if (streams.count() >= MOST_STREAMS) {
    response.writeHead(503, SECURITY_HEADERS).end(`${MOST_STREAMS} others look already\n`);
    return;
  }
  response.writeHead(200, { ...SECURITY_HEADERS, "content-type": "text/event-stream" });
  response.flushHeaders();
  streams.add(response);
}

async function listen(server: Server, address: ListenAddress): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: address.ip, port: address.port }, () => {
        server.off("error", reject);
        // A connection that cannot be accepted (no file descriptor left) costs a look, not the rest.
        server.on("error", () => {});
        resolve();
      });
    });
  } catch (error) {
    const info = { what: "the page", address: formatAddress(address), reason: reasonOf(error) };
    throw new FlannelError("listen.failed", info, { cause: error });
  }
}

function reasonOf(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case "EADDRINUSE":
      return "another process listens there; choose another port with --listen";
    case "EADDRNOTAVAIL":
      return "this host does not have that address; choose another with --listen";
    case "EACCES":
      return "a port below 1024 needs root; choose another with --listen";
    default:
      return messageOf(error);
  }
}
