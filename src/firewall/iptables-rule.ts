// One rule in the words of iptables: what iptables-save prints after "-A CHAIN ", and iptables-restore reads.

import { isError } from "../base/errors.ts";
import { type Prefix, parsePrefix4 } from "../base/ip.ts";
import { parsePrefix6 } from "../base/ipv6.ts";
import { type AddressMatch, namedPrefixes, type PresentRule, type Rule, type Verdict } from "./rule.ts";

/** A rule taken apart as far as it says what a flannel rule can say. */
export interface ParsedRule extends PresentRule {
  readonly text: string;
  readonly comment: string | null;
  /** Where -j or -g leads. */
  readonly target: string | null;
  /** It takes every packet: nothing but a comment and a target. */
  readonly unconditional: boolean;
}

export function formatIptablesRule({ mark, source, destination, verdict }: Rule, comment: string): string {
  const bits = mark === null ? [] : [`-m mark --mark 0x${mark.toString(16)}/0x${mark.toString(16)}`];
  const from = formatMatch("-s", source);
  const to = formatMatch("-d", destination);
  return [...from, ...to, ...bits, `-m comment --comment "${comment}"`, `-j ${TARGETS[verdict]}`].join(" ");
}

const TARGETS: Readonly<Record<Verdict, string>> = {
  accept: "ACCEPT",
  return: "RETURN",
  masquerade: "MASQUERADE",
  "masquerade-random": "MASQUERADE --random-fully",
};

function formatMatch(option: string, match: AddressMatch | null): string[] {
  return match === null ? [] : [`${match.negated ? "! " : ""}${option} ${match.prefix}`];
}

/** Never throws: of what it does not know it makes a rule that nothing equals. */
export function parseIptablesRule(text: string): ParsedRule {
  const found = readWords(splitWords(text));
  const { mark, source, destination, comment, target, random, strange } = found;
  const verdict = target === null ? null : verdictOf(target, random);
  const rule = strange || verdict === null ? null : { mark, source, destination, verdict };
  const unconditional = !strange && mark === null && source === null && destination === null;
  return { rule, prefixes: namedPrefixes([source, destination]), text, comment, target, unconditional };
}

interface Found {
  mark: number | null;
  source: AddressMatch | null;
  destination: AddressMatch | null;
  comment: string | null;
  target: string | null;
  random: boolean;
  /** Something is there that a Rule cannot say. */
  strange: boolean;
}

function readWords(words: readonly string[]): Found {
  const found: Found = {
    mark: null,
    source: null,
    destination: null,
    comment: null,
    target: null,
    random: false,
    strange: false,
  };
  let negated = false;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (word === "!") {
      negated = true;
      continue;
    }
    if (readOption(word, words[at + 1] ?? "", negated, found)) at += 1;
    negated = false;
  }
  return found;
}

/** Whether the option has taken its argument. */
function readOption(option: string, argument: string, negated: boolean, found: Found): boolean {
  switch (option) {
    case "-s":
    case "-d": {
      const prefix = readPrefix(argument);
      if (prefix === null) found.strange = true;
      else found[option === "-s" ? "source" : "destination"] = { prefix, negated };
      return true;
    }
    case "-m":
      found.strange ||= argument !== "mark" && argument !== "comment";
      return true;
    case "--mark":
      found.mark = readMark(argument);
      found.strange ||= negated || found.mark === null;
      return true;
    case "--comment":
      found.comment = argument;
      return true;
    case "-j":
    case "-g":
      found.target = argument;
      found.strange ||= option === "-g";
      return true;
    case "--random-fully":
      found.random = true;
      return false;
    // iptables-save says so of REJECT although it is what REJECT does.
    case "--reject-with":
      return true;
    default:
      found.strange = true;
      return false;
  }
}

/** "0x4000/0x4000": null unless value and mask are the same bits. */
function readMark(text: string): number | null {
  const [value, mask] = text.split("/").map(Number);
  return value !== undefined && value === mask ? value : null;
}

function readPrefix(text: string): Prefix | null {
  try {
    return text.includes(":") ? parsePrefix6(text) : parsePrefix4(text);
  } catch (error) {
    if (isError(error, "address.invalid")) return null;
    throw error;
  }
}

function verdictOf(target: string, random: boolean): Verdict | null {
  if (target === "MASQUERADE") return random ? "masquerade-random" : "masquerade";
  if (random) return null;
  if (target === "ACCEPT") return "accept";
  return target === "RETURN" ? "return" : null;
}

/** At blanks, as iptables-restore does: a word may be quoted, and within quotes a backslash takes the next character. */
export function splitWords(text: string): readonly string[] {
  const words = text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g);
  return Array.from(words, ([, quoted, plain]) =>
    quoted === undefined ? (plain ?? "") : quoted.replace(/\\(.)/g, "$1"),
  );
}
