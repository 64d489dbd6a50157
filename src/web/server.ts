// The page's HTTP server. It decides nothing: what is answered is in answer.ts. Whoever looks has little time for a
// request, and a crowd costs no more than a few connections.

import { createServer, type ServerResponse } from "node:http";
import { limitAnswer } from "../base/answer-limit.ts";
import { closeHttp, type HttpAddress, type ListenRemedies, listenHttp } from "../base/http-listener.ts";
import { answerWeb, SECURITY_HEADERS, type WebAnswer, type WebDesk } from "./answer.ts";
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

const REMEDIES: ListenRemedies = {
  EADDRINUSE: "another process listens there; choose another port with --listen",
  EADDRNOTAVAIL: "this host does not have that address; choose another with --listen",
  EACCES: "a port below 1024 needs root; choose another with --listen",
};

/** Throws `listen.failed`. Disposal lets everybody go. */
export async function openWeb(address: HttpAddress, desk: WebServerDesk, streams: Streams): Promise<WebServer> {
  const limits = { requestTimeout: REQUEST_LIMIT_MILLIS, headersTimeout: REQUEST_LIMIT_MILLIS };
  const server = createServer(limits, (request, response) => {
    const limit = limitAnswer(response);
    response.on("error", () => {});
    const asked = { method: request.method ?? "", url: request.url ?? "", host: request.headers.host ?? null };
    answerWeb(asked, desk).then(
      (answer) => {
        if (answer.kind === "stream") desk.onOpen();
        send(answer, response, limit, streams);
      },
      () => response.destroy(),
    );
  });
  server.maxConnections = MOST_CONNECTIONS;
  const port = await listenHttp(server, address, "the page", REMEDIES);
  return { port, [Symbol.asyncDispose]: () => closeHttp(server) };
}

/** `limit` is lifted from what has no end: the streams see to it themselves that it is taken. */
function send(answer: WebAnswer, response: ServerResponse, limit: Disposable, streams: Streams): void {
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
  limit[Symbol.dispose]();
  response.writeHead(200, { ...SECURITY_HEADERS, "content-type": "text/event-stream" });
  response.flushHeaders();
  streams.add(response);
}
