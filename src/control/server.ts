// The control socket: HTTP/1 on a unix socket that only root and one group may open. Whoever asks has little time, and a
// crowd of askers costs no more than a few connections; the daemon's own work never waits for any of them.

import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { limitAnswer } from "../base/answer-limit.ts";
import { closeHttp } from "../base/http-listener.ts";
import type { ControlDesk } from "./desk.ts";
import { followEvents } from "./follow.ts";
import { claimSocket } from "./listen.ts";
import { answerControl } from "./routes.ts";

type Socket = IncomingMessage["socket"];

const REQUEST_LIMIT_MILLIS = 5000;
const MOST_CONNECTIONS = 32;
const MOST_FOLLOWERS = 16;
const LARGEST_BODY = 1024;

/** Disposal lets everybody go and takes the socket away. */
export interface ControlServer extends AsyncDisposable {
  /** False when commands no longer find it at its path. */
  isInPlace(): Promise<boolean>;
}

/** Throws `listen.failed`. */
export async function openControl(path: string, desk: ControlDesk): Promise<ControlServer> {
  const limits = { requestTimeout: REQUEST_LIMIT_MILLIS, headersTimeout: REQUEST_LIMIT_MILLIS };
  const followers = new Set<Socket>();
  const asked = new WeakSet<Socket>();
  const server = createServer(limits, (request, response) => {
    const { socket } = request;
    // An answer ends its connection, so that what is asked behind it could only cost.
    if (asked.has(socket)) socket.destroy();
    else serve(request, response, desk, followers).catch(() => socket.destroy());
    asked.add(socket);
  });
  server.maxConnections = MOST_CONNECTIONS;
  const claim = await claimSocket(server, path);
  // A connection that cannot be accepted (no file descriptor left) costs an asker, not the daemon.
  server.on("error", () => {});
  return {
    isInPlace: claim.isInPlace,
    async [Symbol.asyncDispose]() {
      await claim.release();
      await closeHttp(server);
    },
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  desk: ControlDesk,
  followers: Set<Socket>,
): Promise<void> {
  const limit = limitAnswer(response);
  response.on("error", () => {});
  const body = await readBody(request);
  if (body === null) return refuseLong(response);
  const answer = await answerControl({ method: request.method ?? "", url: request.url ?? "", body }, desk);
  if (answer.kind === "json") return send(answer.status, answer.body, response);
  if (followers.size >= MOST_FOLLOWERS) {
    return send(503, { error: `${MOST_FOLLOWERS} others follow already` }, response);
  }
  const { socket } = request;
  if (socket.destroyed) return;
  limit[Symbol.dispose]();
  followers.add(socket);
  socket.on("close", () => followers.delete(socket));
  response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
  response.flushHeaders();
  followEvents(answer.after, desk.events, response);
}

function send(status: number, body: object, response: ServerResponse): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    connection: "close",
  });
  response.end(text);
}

/** The rest of it is not waited for. */
function refuseLong(response: ServerResponse): void {
  response.on("finish", () => response.socket?.destroy());
  send(413, { error: `a request has at most ${LARGEST_BODY} bytes` }, response);
}

/** Null when it is too long, or does not come. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > LARGEST_BODY) return null;
      chunks.push(chunk);
    }
  } catch {
    return null;
  }
  return Buffer.concat(chunks).toString("utf8");
}
