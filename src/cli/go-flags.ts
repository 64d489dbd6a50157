// The grammar of Go's flag package: argv in, (flag, value) pairs out. Pure. Knows how values are written, not what they
// mean; where Go stops at the first problem, this goes on, so that all of them can be said at once.
// Compat: -name and --name are the same; a boolean takes its value only after "="; another flag takes the next word,
// whatever it looks like. Words that are not flags end Go's parsing and are ignored with all that follows; here the
// caller is told of them: they name a command, or they are a problem.

import type { Flag } from "./flags.ts";
import { nearest } from "./spelling.ts";

export interface GivenFlag {
  readonly name: string;
  readonly value: string;
}

export interface GoFlags {
  /** In the order of the command line, repetitions included. */
  readonly given: readonly GivenFlag[];
  /** -h, -help or --help was among them. */
  readonly help: boolean;
  /** What is neither a flag nor the value of one, and all that stands behind "--". */
  readonly words: readonly string[];
  /** An empty word that is no flag's value. */
  readonly hasEmptyWord: boolean;
  readonly problems: readonly string[];
}

interface FlagWord {
  readonly kind: "flag";
  readonly name: string;
  readonly value: string | null;
}

type Word = FlagWord | { readonly kind: "plain" | "end" | "malformed" | "empty" };

/** What one word of argv comes to, and how many words that took. */
type Step =
  | { readonly kind: "nothing" | "help"; readonly words: number }
  | { readonly kind: "plain"; readonly plain: readonly string[]; readonly words: number }
  | { readonly kind: "given"; readonly flag: GivenFlag; readonly words: number }
  | { readonly kind: "problems"; readonly problems: readonly string[]; readonly words: number };

export function readGoFlags(argv: readonly string[], flags: readonly Flag[]): GoFlags {
  const known = new Map(flags.map((flag) => [flag.name, flag]));
  const steps: Step[] = [];
  for (let index = 0; index < argv.length; ) {
    const step = readStep(argv, index, known);
    steps.push(step);
    index += step.words;
  }
  return {
    given: steps.flatMap((step) => (step.kind === "given" ? [step.flag] : [])),
    help: steps.some((step) => step.kind === "help"),
    words: steps.flatMap((step) => (step.kind === "plain" ? step.plain : [])),
    hasEmptyWord: steps.some((step) => step.kind === "nothing"),
    problems: steps.flatMap((step) => (step.kind === "problems" ? step.problems : [])),
  };
}

function readStep(argv: readonly string[], index: number, known: ReadonlyMap<string, Flag>): Step {
  const [text = "", next] = argv.slice(index);
  const word = readWord(text);
  switch (word.kind) {
    case "empty":
      return { kind: "nothing", words: 1 };
    case "end": {
      const rest = argv.slice(index + 1);
      return { kind: "plain", plain: rest, words: 1 + rest.length };
    }
    case "plain": {
      const hint = hintAtBoolean(text, argv[index - 1], known);
      if (hint === null) return { kind: "plain", plain: [text], words: 1 };
      return { kind: "problems", problems: [hint], words: 1 };
    }
    case "malformed":
      return { kind: "problems", problems: [`${text} is not a flag: write -name or --name`], words: 1 };
    case "flag":
      return readFlag(word, next, known);
  }
}

function readFlag({ name, value }: FlagWord, next: string | undefined, known: ReadonlyMap<string, Flag>): Step {
  const flag = known.get(name);
  if (!flag && (name === "h" || name === "help")) return { kind: "help", words: 1 };
  if (!flag) {
    // What follows is most likely its value and not a problem of its own.
    const hasValue = value === null && next !== undefined && readWord(next).kind === "plain";
    return { kind: "problems", problems: [unknownFlag(name, [...known.keys()])], words: hasValue ? 2 : 1 };
  }
  if (value !== null) return { kind: "given", flag: { name, value }, words: 1 };
  if (flag.type === "bool") return { kind: "given", flag: { name, value: "true" }, words: 1 };
  if (next !== undefined) return { kind: "given", flag: { name, value: next }, words: 2 };
  return { kind: "problems", problems: [`-${name} needs a value`], words: 1 };
}

function readWord(text: string): Word {
  // Compat: systemd makes an empty word of "${FLANNEL_OPTIONS}" when the variable is empty. It asks for nothing.
  if (text === "") return { kind: "empty" };
  if (text === "--") return { kind: "end" };
  if (text === "-" || !text.startsWith("-")) return { kind: "plain" };
  const body = text.replace(/^--?/, "");
  if (/^[-=]/.test(body)) return { kind: "malformed" };
  const equals = body.indexOf("=");
  if (equals === -1) return { kind: "flag", name: body, value: null };
  return { kind: "flag", name: body.slice(0, equals), value: body.slice(equals + 1) };
}

/** For "-ip-masq false": the sentence that says how to write it, or null when it is something else. */
function hintAtBoolean(text: string, before: string | undefined, known: ReadonlyMap<string, Flag>): string | null {
  const word = readWord(before ?? "");
  if (word.kind !== "flag" || word.value !== null || parseGoBoolean(text) === null) return null;
  if (known.get(word.name)?.type !== "bool") return null;
  return `-${word.name} ${text}: a bool takes its value after "=", write -${word.name}=${text}`;
}

function unknownFlag(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return near === null ? `unknown flag -${name}` : `unknown flag -${name} (did you mean -${near}?)`;
}

export function parseGoBoolean(text: string): boolean | null {
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(0|f|F|false|FALSE|False)$/.test(text)) return false;
  return null;
}

const GO_INTEGER = /^([+-]?)(?:0x((?:_?[\da-f])+)|0b((?:_?[01])+)|0o?((?:_?[0-7])+)|(0|[1-9](?:_?\d)*))$/i;

/** Go's integer literals: 60, 0x3c, 0b11, 0o17, 017 (octal), 1_000, with a sign. Null for anything else. */
export function parseGoInteger(text: string): number | null {
  const match = GO_INTEGER.exec(text);
  if (!match) return null;
  const [, sign = "", ...digits] = match;
  const index = digits.findIndex((part) => part !== undefined);
  const base = [16, 2, 8, 10][index] ?? 10;
  const value = Number.parseInt((digits[index] ?? "").replaceAll("_", ""), base);
  return sign === "-" ? 0 - value : value;
}
