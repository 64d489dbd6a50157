// The pattern language of -iface-regex. Pure.
// Compat: Go flanneld takes RE2. Nearly all of it reads the same in JavaScript; leading flags are translated, and what
// JavaScript would silently take for something else is refused.

import { messageOf } from "../base/errors.ts";

const LEADING_FLAGS = /^\(\?([ims]+)\)/;

/** RE2 that is not JavaScript: POSIX classes, \A \z \Q..\E \C, \p \x{...}. */
const FOREIGN = /\[\[:\^?\w+:\]|(?<!\\)(?:\\\\)*(\\[AzQEpPCa]|\\x\{)/;

/** The pattern, or what is wrong with the source. */
export function compileInterfaceRegex(source: string): RegExp | string {
  const flags = LEADING_FLAGS.exec(source)?.[1] ?? "";
  const body = source.replace(LEADING_FLAGS, "");
  const foreign = FOREIGN.exec(body);
  if (foreign) return `${foreign[1] ?? foreign[0]} is not supported here; write it with [0-9a-z], ^ and $`;
  try {
    return new RegExp(body, [...new Set(flags)].join(""));
  } catch (error) {
    return `is not a regular expression: ${messageOf(error).replace(/^Invalid regular expression: .*: /s, "")}`;
  }
}
