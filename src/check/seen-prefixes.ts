// Addresses and prefixes as firewall tools print them.

import { isError } from "../base/errors.ts";
import { type Prefix, parsePrefix4 } from "../base/ip.ts";
import { parsePrefix6 } from "../base/ipv6.ts";

/** Null when one of them is something else. An address is the prefix of its own. */
export function readPrefixes(texts: readonly (string | null)[]): readonly Prefix[] | null {
  try {
    return texts.map((text) => readPrefix(text ?? ""));
  } catch (error) {
    if (isError(error, "address.invalid")) return null;
    throw error;
  }
}

function readPrefix(text: string): Prefix {
  const isWhole = text.includes("/");
  return text.includes(":")
    ? parsePrefix6(isWhole ? text : `${text}/128`)
    : parsePrefix4(isWhole ? text : `${text}/32`);
}
