// The HTTP endpoint for probes and metrics. /healthz: the process answers. /readyz: the daemon does its work, and if not,
// why. /metrics: what Prometheus asks for. /status and /events: what `flanneld web` shows.
// It decides nothing: readiness is asked for at every request and may come and go. What is only degraded is told, and
// makes nothing fail: a host that is taken out of service because etcd is away would do more harm than etcd.

import type { ServerResponse } from "node:http";
import { limitAnswer } from "./base/answer-limit.ts";
import { messageOf } from "./base/errors.ts";
import { closeHttp, type HttpAddress, type ListenRemedies, listenHttp } from "./base/http-listener.ts";
import type { MetricsSource } from "./metrics/answer.ts";
import type { CheckStatus, Readiness } from "./status/readiness.ts";
import { isReportPath, type ReportSource } from "./status/report.ts";

export interface HealthServer extends AsyncDisposable {
  /** The port that the kernel chose when 0 was asked for. */
  readonly port: number;
}

export interface HealthDeps {
  readonly readiness: () => Readiness;
  readonly metrics: MetricsSource;
  readonly report: ReportSource;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  /** Default text/plain. */
  readonly type?: string;
  /** The methods, where another was asked with. */
  readonly allow?: string;
}

/** A probe is one small request. Whatever is slower or more than this is not a probe. */
const REQUEST_LIMIT_MILLIS = 5000;
const MOST_CONNECTIONS = 64;

const REMEDIES: ListenRemedies = {
  EADDRINUSE: "another process listens there; choose another port with -healthz-port",
  EADDRNOTAVAIL: "this host does not have that address; choose another with -healthz-ip",
  EACCES: "a port below 1024 needs CAP_NET_BIND_SERVICE; choose another with -healthz-port",
};

/** Throws `listen.failed`. Disposal closes what is open, also connections that are kept alive. */
export async function openHealth(address: HttpAddress, deps: HealthDeps): Promise<HealthServer> {
  // Loaded here, because most daemons run without the endpoint.
  const { createServer } = await import("node:http");
  const limits = { requestTimeout: REQUEST_LIMIT_MILLIS, headersTimeout: REQUEST_LIMIT_MILLIS };
  const server = createServer(limits, (request, response) => {
    limitAnswer(response);
    response.on("error", () => {});
    answer(request.method ?? "", request.url ?? "", deps)
      .then((answered) => send(answered, response))
      .catch(() => request.socket.destroy());
  });
  server.maxConnections = MOST_CONNECTIONS;
  const port = await listenHttp(server, address, "health checks", REMEDIES);
  return { port, [Symbol.asyncDispose]: () => closeHttp(server) };
}

/** RFC 9110: an answer 405 names the methods that there are. */
const ONLY_READ: Answer = { status: 405, body: "nothing can be changed here\n", allow: "GET, HEAD" };

async function answer(method: string, url: string, { readiness, metrics, report }: HealthDeps): Promise<Answer> {
  const [path = "", query = ""] = url.split("?", 2);
  const isMetrics = path === "/metrics";
  if (!isMetrics && !isReportPath(path)) return answerTo(url, readiness);
  if (method !== "GET" && method !== "HEAD") return ONLY_READ;
  if (isMetrics) return await answerMetrics(new URLSearchParams(query), metrics);
  return { ...(await report(url)), type: "application/json; charset=utf-8" };
}

async function answerMetrics(query: URLSearchParams, metrics: MetricsSource): Promise<Answer> {
  try {
    const body = await metrics({ peers: query.has("peers") });
    return { status: 200, body, type: "text/plain; version=0.0.4; charset=utf-8" };
  } catch (error) {
    return { status: 500, body: `no metrics: ${messageOf(error)}\n` };
  }
}

/** Compat: paths, statuses and the first words of the bodies are those of Go flanneld, and any method will do. */
export function answerTo(url: string, readiness: () => Readiness): Answer {
  const [path = "", query = ""] = url.split("?", 2);
  const verbose = new URLSearchParams(query).has("verbose");
  if (path === "/healthz") return { status: 200, body: "flanneld is running" };
  if (path === "/readyz") return formatReadiness(readiness(), verbose);
  return { status: 404, body: "404 page not found\n" };
}

function formatReadiness({ checks, degraded }: Readiness, verbose: boolean): Answer {
  const failing = checks.filter(isFailing);
  const status = failing.length === 0 ? 200 : 503;
  if (verbose) {
    const lines = [...checks.map((check) => lineOf(check, "[-]")), ...degraded.map((check) => lineOf(check, "[!]"))];
    return { status, body: [...lines, ""].join("\n") };
  }
  if (status === 503) return { status, body: `flanneld is not ready yet: ${reasonsOf(failing)}` };
  const troubles = reasonsOf(degraded.filter(isFailing));
  return { status, body: troubles ? `flanneld is ready, but degraded: ${troubles}` : "flanneld is ready" };
}

function isFailing({ reason }: CheckStatus): boolean {
  return reason !== null;
}

function lineOf({ name, reason }: CheckStatus, mark: "[-]" | "[!]"): string {
  return reason === null ? `[+]${name} ok` : `${mark}${name}: ${reason}`;
}

function reasonsOf(checks: readonly CheckStatus[]): string {
  return checks.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
}

function send({ status, body, type = "text/plain; charset=utf-8", allow }: Answer, response: ServerResponse): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    ...(allow && { allow }),
  });
  response.end(body);
}
