// What a daemon that ends with an error leaves beside its control socket, so that whoever asks for its status is told why
// none runs: one JSON object in a file that root writes and everybody may read. A start that was refused because another
// daemon has the network leaves a file of its own: it says nothing of the one that runs. Pure: names, form, what counts.

import { exitStatusOf, FlannelError, isError, messageOf } from "../base/errors.ts";

export type EndKind = "ended" | "refused";

export interface EndNote {
  /** ISO 8601 in UTC. */
  readonly at: string;
  readonly pid: number;
  /** Of its network; null when the note does not say. */
  readonly prefix: string | null;
  /** The exit status. */
  readonly status: number;
  /** Of the error; "bug" for what is none of the program's own. */
  readonly code: string;
  /** As it was logged. */
  readonly message: string;
  /** The process that has the network, of a refused start; null when that cannot be told. */
  readonly holder: number | null;
}

/** A note as it was found: beside which socket it is, whether that is there or not. */
export interface FoundNote extends EndNote {
  readonly kind: EndKind;
  readonly socket: string;
}

const NAME = /^(flanneld(?:-.+)?)\.(ended|refused)\.json$/;
export const END_KINDS: readonly EndKind[] = ["ended", "refused"];

/** "/run/flannel/flanneld.ended.json" beside "/run/flannel/flanneld.sock". */
export function endNotePath(socket: string, kind: EndKind): string {
  return `${socket.replace(/\.sock$/, "")}.${kind}.json`;
}

/** The socket's name and the kind; null for what is no note. */
export function readNoteName(name: string): { readonly socket: string; readonly kind: EndKind } | null {
  const [, stem, kind] = NAME.exec(name) ?? [];
  return stem && (kind === "ended" || kind === "refused") ? { socket: `${stem}.sock`, kind } : null;
}

export function endNoteOf(
  error: unknown,
  { prefix, pid, at }: { readonly prefix: string; readonly pid: number; readonly at: Date },
): EndNote & { readonly kind: EndKind } {
  const isRefused = isError(error, "instance.running");
  return {
    kind: isRefused ? "refused" : "ended",
    at: at.toISOString(),
    pid,
    prefix,
    status: exitStatusOf(error),
    code: error instanceof FlannelError ? error.code : "bug",
    message: error instanceof FlannelError ? error.message : `this is a bug: ${messageOf(error)}`,
    holder: isRefused && error.info.pid > 0 ? error.info.pid : null,
  };
}

export function formatEndNote({ at, pid, prefix, status, code, message, holder }: EndNote): string {
  return `${JSON.stringify({ schema: 1, at, pid, prefix, status, code, message, holder })}\n`;
}

/** Null for what no flanneld has written whole. */
export function parseEndNote(text: string): EndNote | null {
  const { schema, at, pid, prefix, status, code, message, holder } = parse(text);
  if (schema !== 1 || typeof at !== "string" || Number.isNaN(Date.parse(at))) return null;
  if (typeof pid !== "number" || typeof status !== "number") return null;
  if (typeof code !== "string" || typeof message !== "string") return null;
  return {
    ...{ at, pid, status, code, message },
    prefix: typeof prefix === "string" ? prefix : null,
    holder: typeof holder === "number" ? holder : null,
  };
}

function parse(text: string): { readonly [name: string]: unknown } {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null ? { ...parsed } : {};
  } catch {
    return {};
  }
}
