// What the page's server answers: the page, the model, one host's row, and the model whenever it changes. Pure but for whom
// it asks. Nothing can be changed through it, and it tells no settings.

import type { HostRow, Overlay } from "./overlay.ts";

export interface WebRequest {
  readonly method: string;
  /** As in the request line. */
  readonly url: string;
  /** The Host header. */
  readonly host: string | null;
}

export interface WebDesk {
  /** File name -> text. */
  readonly assets: Readonly<Record<string, string>>;
  /** Waits until there is one. */
  readonly overlay: () => Promise<Overlay>;
  /** How the host with this subnet has all the others; null when there is no such host. */
  readonly row: (subnet: string) => Promise<HostRow | null>;
}

export type WebAnswer =
  | { readonly kind: "text"; readonly status: number; readonly type: string; readonly body: string }
  | { readonly kind: "stream" };

/**
 * Everything is from here, nothing is sent anywhere, and no other page may have this one inside it. There is no inline
 * script, so that a text from outside which got into the page would be no program.
 */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "cache-control": "no-store",
};

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

export async function answerWeb({ method, url, host }: WebRequest, desk: WebDesk): Promise<WebAnswer> {
  if (!isOwnHost(host)) {
    return text(421, "open this page by its address, as in http://127.0.0.1:8470/: another name may be a trap\n");
  }
  if (method !== "GET" && method !== "HEAD") return text(405, "nothing can be changed here\n");
  const [path = "", query = ""] = url.split("?", 2);
  switch (path) {
    case "/api/stream":
      return method === "GET" ? { kind: "stream" } : text(405, "a stream has no end\n");
    case "/api/overlay":
      return json(await desk.overlay());
    case "/api/row":
      return await answerRow(new URLSearchParams(query).get("subnet") ?? "", desk);
    default:
      return answerAsset(path === "/" ? "index.html" : path.slice(1), desk);
  }
}

/**
 * A page elsewhere can have its own name lead to this address and would then be let read what is here (DNS rebinding). An
 * address cannot be led elsewhere, nor can localhost.
 */
export function isOwnHost(host: string | null): boolean {
  const name = (host ?? "").replace(/:\d+$/, "").toLowerCase();
  return name === "localhost" || /^\d{1,3}(\.\d{1,3}){3}$/.test(name) || /^\[[\da-f:.]+\]$/.test(name);
}

async function answerRow(subnet: string, { row }: WebDesk): Promise<WebAnswer> {
  const found = await row(subnet);
  return found ? json(found) : text(404, "there is no host with that subnet\n");
}

function answerAsset(name: string, { assets }: WebDesk): WebAnswer {
  const body = Object.hasOwn(assets, name) ? assets[name] : undefined;
  if (body === undefined) return text(404, "there is no such page\n");
  return { kind: "text", status: 200, type: TYPES[name.slice(name.lastIndexOf(".") + 1)] ?? "text/plain", body };
}

function json(value: Overlay | HostRow): WebAnswer {
  return { kind: "text", status: 200, type: "application/json; charset=utf-8", body: JSON.stringify(value) };
}

function text(status: number, body: string): WebAnswer {
  return { kind: "text", status, type: "text/plain; charset=utf-8", body };
}
