// Looks for a value in etcd's v2 store, which the v3 API cannot see: only to tell people who followed an old guide.
// Nothing depends on it, so whatever goes wrong means that there is none.

import { millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/signals.ts";
import type { EtcdOptions } from "../cli/options.ts";
import type { TlsMaterial } from "./tls.ts";

export interface V2Deps {
  readonly clock: Clock;
  readonly tls: TlsMaterial | null;
}

/** For each endpoint. */
const LIMIT = millis(2000);
const LARGEST_ANSWER = 1024 * 1024;

/** The value at the first endpoint that has the key. */
export async function readV2Value(
  key: string,
  options: EtcdOptions,
  deps: V2Deps,
  signal: AbortSignal,
): Promise<string | null> {
  const path = encodeURI(`/v2/keys/${key}`).replaceAll("//", "/");
  for (const endpoint of options.endpoints) {
    try {
      const get = (scope: AbortSignal) => httpGet(`${endpoint}${path}`, options.auth, deps.tls, scope);
      const value = parseNodeValue(await withDeadline(LIMIT, deps.clock, signal, get));
      if (value !== null) return value;
    } catch {
      // No v2 API there, or no etcd.
    }
    if (signal.aborted) return null;
  }
  return null;
}

/** {"action":"get","node":{"key":"...","value":"..."}} */
function parseNodeValue(body: string): string | null {
  const answer = JSON.parse(body) as { readonly node?: { readonly value?: unknown } } | null;
  const value = answer?.node?.value;
  return typeof value === "string" ? value : null;
}

async function httpGet(
  url: string,
  auth: EtcdOptions["auth"],
  tls: TlsMaterial | null,
  signal: AbortSignal,
): Promise<string> {
  const { get } = tls ? await import("node:https") : await import("node:http");
  const options = {
    signal,
    agent: false as const,
    ...(tls?.ca && { ca: tls.ca }),
    ...tls?.client,
    ...(auth && { auth: `${auth.username}:${auth.password}` }),
  };
  return new Promise((resolve, reject) => {
    const request = get(url, options, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > LARGEST_ANSWER) response.destroy(new Error("the answer is too large"));
      });
      response.on("error", reject);
      response.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    });
    request.on("error", reject);
  });
}
