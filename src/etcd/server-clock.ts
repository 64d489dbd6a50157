// How far this host's clock is from an etcd server's, by the date that its HTTP answers carry.

import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { type Millis, millis, seconds } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/signals.ts";
import { hostPortOf } from "./host-port.ts";
import type { TlsMaterial } from "./tls.ts";

const LIMIT = seconds(3);

/**
 * Positive: this host is ahead. To a second, which is what HTTP dates have. Null when the server does not say. It is no
 * secret and nothing is decided by it, so that a certificate that would not be accepted, perhaps for its dates, will do.
 */
export async function clockAhead(
  url: string,
  tls: TlsMaterial | null,
  clock: Clock,
  signal: AbortSignal,
): Promise<Millis | null> {
  try {
    return await withDeadline(LIMIT, clock, signal, async (scope) => {
      const asked = clock.now();
      const date = Date.parse(await dateOf(url, tls, scope));
      if (Number.isNaN(date)) return null;
      // The date is cut to whole seconds, and of a moment between question and answer.
      return millis((asked + clock.now()) / 2 - (date + 500));
    });
  } catch {
    signal.throwIfAborted();
    return null;
  }
}

async function dateOf(url: string, tls: TlsMaterial | null, signal: AbortSignal): Promise<string> {
  const { host, port } = hostPortOf(url);
  const to = { host, port, path: "/version", method: "GET", signal, agent: false };
  const secure = {
    ...(tls?.ca && { ca: tls.ca }),
    ...tls?.client,
    ...(isIP(host) === 0 && { servername: host }),
    rejectUnauthorized: false,
  };
  return await new Promise((done, fail) => {
    const call = url.startsWith("https:") ? requestHttps({ ...to, ...secure }) : requestHttp(to);
    call.on("response", (response) => {
      response.resume();
      done(response.headers.date ?? "");
    });
    call.on("error", fail);
    call.end();
  });
}
