// What is packaged, of which the same commit always gives the same bytes: version and date come from the source alone,
// and who answers for it is said on the command line or not at all.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../lab/run.ts";
import type { Edition } from "./man-pages.ts";

/**
 * SOURCE_DATE_EPOCH wins, as everywhere where builds are reproducible; else it is the commit's time. Throws a sentence
 * when there is neither.
 */
export async function readEdition(root: string, signal: AbortSignal): Promise<Edition> {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly version: string };
  const given = process.env["SOURCE_DATE_EPOCH"];
  const text = given ?? (await run(["git", "-C", root, "log", "-1", "--format=%ct"], {}, signal)).stdout.trim();
  if (!/^\d+$/.test(text)) throw new Error(`SOURCE_DATE_EPOCH=${text}: must be seconds since the epoch`);
  return { version, date: Number(text) };
}

/** Of packages whose builder does not say who answers for them. Both formats want somebody. */
export const NOBODY = "No contact given <nobody@flanneld.invalid>";

/** "Name <address>", as both formats take it unquoted. Throws a sentence. */
export function parseMaintainer(text: string): string {
  if (/^[^\s<>"%,@][^<>"%,@\n]* <[^\s<>"%,@]+@[^\s<>"%,@]+>$/.test(text)) return text;
  throw new Error(`--maintainer ${text}: must be "NAME <ADDRESS>", without quotes, commas and per cent signs in it`);
}
