// Looks for a value in etcd's v2 store, which the v3 API cannot see. Only to tell people who followed an old guide.

import { millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/signals.ts";
import type { EtcdOptions } from "../cli/options.ts";
import { readTlsMaterial } from "./tls.ts";

const LIMIT = millis(2000);
const LARGEST_ANSWER = 1024 * 1024;

/** The first endpoint that has the key; null when none has, whatever the reason. */
export async function readV2Value(
  key: string,
  options: EtcdOptions,
  { clock }: { readonly clock: Clock },
  signal: AbortSignal,
): Promise<string | null> {
  for (const endpoint of options.endpoints) {
    try {
      const ask = (limited: AbortSignal) => request(`${endpoint}/v2/keys${key}`, options, limited);
      const value = readNodeValue(await withDeadline(LIMIT, clock, signal, ask));
      if (value !== null) return value;
    } catch {
      signal.throwIfAborted();
    }
  }
  return null;
}

/** {"action":"get","node":{"key":"...","value":"..."}} */
function readNodeValue(body: string): string | null {
  const answer = JSON.parse(body) as { readonly node?: { readonly value?: unknown } } | null;
  const value = answer?.node?.value;
  return typeof value === "string" ? value : null;
}

async function request(url: string, { auth, tls }: EtcdOptions, signal: AbortSignal): Promise<string> {
  const { ca, client } = await readTlsMaterial(tls);
  const { get } = url.startsWith("https://") ? await import("node:https") : await import("node:http");
  const options = {
    signal,
    agent: false as const,
    ...(ca ? { ca } : {}),
    ...(client ?? {}),
    ...(auth ? { auth: `${auth.username}:${auth.password}` } : {}),
  };
  return new Promise((resolve, reject) => {
    const call = get(url, options, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > LARGEST_ANSWER) response.destroy(new Error("the answer is too large"));
        else chunks.push(chunk);
      });
      response.on("error", reject);
      response.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    });
    call.on("error", reject);
  });
}
