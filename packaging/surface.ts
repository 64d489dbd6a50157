// What the program's command line offers, as data: the manual pages and the completions are made of it, so that they
// cannot say something else than the program.

import { BACKEND_TYPES } from "../src/backends/registry.ts";
import { FLAGS, type Flag } from "../src/cli/flags.ts";
import { BUILT_IN, COMMON_FLAGS, type VerbWord } from "../src/cli/verbs.ts";
import { VERBS } from "../src/operator/verbs.ts";

export interface Command {
  /** One word or two: "config get". */
  readonly name: string;
  readonly summary: string;
  /** What follows the name. */
  readonly words: readonly VerbWord[];
  /** Its own. */
  readonly flags: readonly Flag[];
}

export interface Surface {
  /** Of the daemon. */
  readonly flags: readonly Flag[];
  readonly commands: readonly Command[];
  /** Of every command. */
  readonly common: readonly Flag[];
}

export const SURFACE: Surface = {
  flags: FLAGS,
  commands: [
    ...VERBS,
    ...BUILT_IN.map(({ name, summary }) => ({
      name,
      summary,
      words: name === "help" ? [{ name: "COMMAND", optional: true }] : [],
      flags: [],
    })),
  ],
  common: COMMON_FLAGS,
};

/** What a flag's value is, as far as a shell can help with it. */
export type ValueHint =
  | { readonly kind: "file" | "interface" | "text" | "none" }
  | { readonly kind: "words"; readonly words: readonly string[] };

const WORDS: Readonly<Record<string, readonly string[]>> = { "log-format": ["text", "json"], backend: BACKEND_TYPES };

export function valueHint({ name, type }: Flag): ValueHint {
  const words = WORDS[name];
  if (words) return { kind: "words", words };
  if (type === "bool") return { kind: "none" };
  if (/file$|path$|socket$/.test(name)) return { kind: "file" };
  return { kind: name === "iface" ? "interface" : "text" };
}
