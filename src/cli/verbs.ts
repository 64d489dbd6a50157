// The operator's commands on the command line: "flanneld config get -json". Pure: how a command is called; verb-help
// explains it, and what it does is not known here (src/operator). Without a command the line is the daemon's.

import { type Millis, seconds } from "../base/brand.ts";
import { FlannelError } from "../base/errors.ts";
import { FLAGS, type Flag, flag } from "./flags.ts";
import { type GivenFlag, parseGoBoolean, parseGoInteger, readGoFlags } from "./go-flags.ts";
import { type EtcdOptions, readEtcdOptions } from "./options.ts";
import { type Environment, resolveFlags, type Setting } from "./program.ts";
import { ETCD_FLAGS, type ReadSettingsFiles, resolveEtcdSettings } from "./service-settings.ts";
import { nearest } from "./spelling.ts";

export interface VerbWord {
  /** In capitals, as it stands in the usage. */
  readonly name: string;
  readonly optional: boolean;
}

export interface VerbSyntax {
  /** One word or two: "leases", "config get". */
  readonly name: string;
  /** A line in the list of commands. */
  readonly summary: string;
  /** Below the summary in the command's own help. */
  readonly details: string;
  readonly words: readonly VerbWord[];
  /** Whom it asks: etcd, with the daemon's flags that say where that is, or the daemon that runs on this host. */
  readonly asks: "etcd" | "daemon";
  /** Its own; -json and -timeout come with every command. */
  readonly flags: readonly Flag[];
}

/** One call of a command. */
export interface VerbCall {
  /** As many as the syntax allows; optional ones may be missing at the end. */
  readonly words: readonly string[];
  /** Of a command that asks etcd. */
  readonly etcd: EtcdOptions;
  /** What has named the endpoints, for people; null for the default. */
  readonly namedBy: string | null;
  /** A file of the service's settings that would say where etcd is and cannot be read; null when it is not needed. */
  readonly unreadable: { readonly path: string; readonly reason: string } | null;
  readonly json: boolean;
  /** For each answer. */
  readonly timeout: Millis;
  /** Of the command's own flags. */
  readonly settings: Readonly<Record<string, Setting>>;
  /**
   * Flags of the command line that say whom it asks, as "--etcd-prefix=/blue": for commands that a person is told to run,
   * which are to ask the same. Without the password, which nobody is shown.
   */
  readonly asking: readonly string[];
}

/** One call of a command that asks the daemon. */
export type DaemonCall = Omit<VerbCall, "etcd" | "namedBy" | "unreadable">;

export function isOn({ settings }: DaemonCall, name: string): boolean {
  return parseGoBoolean(settings[name]?.values[0] ?? "") === true;
}

/** Null when the flag is not given or empty. */
export function textOf({ settings }: DaemonCall, name: string): string | null {
  return settings[name]?.values[0] || null;
}

/** Throws `usage.invalid` unless it is a number in the range. */
export function integerOf({ settings }: VerbCall, name: string, min: number, max: number): number {
  const text = settings[name]?.values[0] ?? "";
  const value = parseGoInteger(text);
  if (value !== null && value >= min && value <= max) return value;
  throw new FlannelError("usage.invalid", { problems: [`-${name}=${text}: must be between ${min} and ${max}`] });
}

/** Of every command. */
export const COMMON_FLAGS: readonly Flag[] = [
  flag("json", { group: "command", type: "bool", env: false, help: "Write JSON, for programs, instead of text." }),
  flag("timeout", {
    group: "command",
    type: "int",
    default: "10",
    env: false,
    help: "Seconds to wait for each answer, 1 to 3600.",
  }),
];

export function flagsOf(verb: VerbSyntax): readonly Flag[] {
  return [...verb.flags, ...COMMON_FLAGS, ...(verb.asks === "etcd" ? ETCD_FLAGS : [])];
}

/** Words that are understood without an entry in the table. */
export const BUILT_IN: readonly Pick<VerbSyntax, "name" | "summary">[] = [
  { name: "help", summary: "Explain a command, or list all of them." },
  { name: "version", summary: "Print the version." },
];

export type VerbMatch<V extends VerbSyntax> =
  | { readonly kind: "none" }
  | { readonly kind: "verb"; readonly verb: V }
  /** Of one command, or null: of all. */
  | { readonly kind: "help"; readonly verb: V | null }
  /** Help on those that have their first word in common. */
  | { readonly kind: "group"; readonly name: string; readonly verbs: readonly V[] }
  | { readonly kind: "version" }
  | { readonly kind: "unknown"; readonly problems: readonly string[] };

/** What the words of a command line ask for, wherever the flags of the daemon and of all commands stand among them. */
export function matchVerb<V extends VerbSyntax>(argv: readonly string[], verbs: readonly V[]): VerbMatch<V> {
  const { words, help } = readGoFlags(argv, [...FLAGS, ...verbs.flatMap(flagsOf)]);
  const [first, ...rest] = words;
  if (first === undefined) return { kind: "none" };
  if (first === "help") return matchHelp(rest, verbs);
  const verb = verbs.find((verb) => isNamed(verb, words));
  if (verb) return { kind: "verb", verb };
  if (help) {
    const found = matchHelp(words, verbs);
    return found.kind === "unknown" ? { kind: "help", verb: null } : found;
  }
  if (first === "version" && rest.length === 0) return { kind: "version" };
  return { kind: "unknown", problems: strayWords(words, verbs) };
}

function matchHelp<V extends VerbSyntax>(asked: readonly string[], verbs: readonly V[]): VerbMatch<V> {
  const verb = verbs.find((verb) => isNamed(verb, asked));
  if (verb) return { kind: "help", verb };
  const [name, ...rest] = asked;
  if (name === undefined) return { kind: "help", verb: null };
  const members = verbs.filter((verb) => verb.name.startsWith(`${name} `));
  if (rest.length === 0 && members.length > 0) return { kind: "group", name, verbs: members };
  if (rest.length === 0 && BUILT_IN.some((known) => known.name === name)) return { kind: "help", verb: null };
  return { kind: "unknown", problems: strayWords(asked, verbs) };
}

function isNamed({ name }: VerbSyntax, words: readonly string[]): boolean {
  return name.split(" ").every((part, index) => words[index] === part);
}

/** Whether a command line asks for JSON that may be wrong in everything else. */
export function asksForJson(argv: readonly string[], verbs: readonly VerbSyntax[]): boolean {
  const { given, words } = readGoFlags(argv, [...FLAGS, ...verbs.flatMap(flagsOf)]);
  const last = given.findLast(({ name }) => name === "json");
  return words.length > 0 && parseGoBoolean(last?.value ?? "") === true;
}

/** For words that are no command: the first may be a misspelt one. */
function strayWords([first = "", ...rest]: readonly string[], verbs: readonly VerbSyntax[]): readonly string[] {
  const members = verbs.flatMap(({ name }) => (name.startsWith(`${first} `) ? name.slice(first.length + 1) : []));
  const names = [...verbs, ...BUILT_IN].map(({ name }) => name);
  if (members.length > 0) {
    const [second] = rest;
    const near = second === undefined ? null : nearest(second, members);
    const found =
      second === undefined ? `${first} alone is no command` : `unknown command ${quote(`${first} ${second}`)}`;
    return [`${found}: ${didYouMean(near && `${first} ${near}`)}${first} takes one of ${members.join(", ")}`];
  }
  const near = nearest(first, [...names, ...names.map((name) => name.split(" ")[0] ?? "")]);
  return [
    `unexpected word ${quote(first)}: ${didYouMean(near)}flanneld takes flags, or a command that flanneld help lists`,
    ...rest.map((word) => `unexpected word ${quote(word)}`),
  ];
}

function didYouMean(near: string | null): string {
  return near === null ? "" : `did you mean ${near}? `;
}

function quote(text: string): string {
  return JSON.stringify(text);
}

export type VerbLine =
  | { readonly kind: "call"; readonly call: VerbCall }
  | { readonly kind: "help" }
  | { readonly kind: "refused"; readonly problems: readonly string[] };

/** The line of a command that matchVerb has found in it. */
export function parseVerbLine(
  verb: VerbSyntax,
  argv: readonly string[],
  env: Environment,
  readFiles: ReadSettingsFiles,
): VerbLine {
  const { given, help, words: all, hasEmptyWord, problems: misread } = readGoFlags(argv, flagsOf(verb));
  if (help) return { kind: "help" };
  const isEtcd = ({ name }: GivenFlag) => ETCD_FLAGS.some((known) => known.name === name);
  // Who asks the daemon is not kept from it by what a variable or a file says of etcd.
  const way = verb.asks === "etcd" ? readWay(given.filter(isEtcd), env, readFiles) : NO_WAY;
  const own = [...verb.flags, ...COMMON_FLAGS];
  const settings = resolveFlags(
    own,
    given.filter((one) => !isEtcd(one)),
    env,
  );
  const words = all.slice(verb.name.split(" ").length);
  const timeout = parseGoInteger(settings["timeout"]?.values[0] ?? "") ?? 0;
  const problems = [
    ...misread,
    // A word that an unknown flag may have taken with it is not missed.
    ...(misread.length === 0 ? countWords(verb, words, hasEmptyWord) : []),
    ...own.flatMap((flag) => misspeltBool(flag, settings[flag.name])),
    ...(timeout >= 1 && timeout <= 3600 ? [] : ["-timeout must be between 1 and 3600 seconds"]),
    ...way.problems,
  ];
  if (problems.length > 0) return { kind: "refused", problems };
  const json = parseGoBoolean(settings["json"]?.values[0] ?? "") === true;
  const { etcd, namedBy, unreadable } = way;
  const asking = askingFlags(given);
  return {
    kind: "call",
    call: { words, etcd, namedBy, unreadable, json, timeout: seconds(timeout), settings, asking },
  };
}

const ASKING: readonly string[] = [
  ...ETCD_FLAGS.map(({ name }) => name).filter((name) => name !== "etcd-password"),
  "socket",
];

/** Of one that is given twice the last counts. */
function askingFlags(given: readonly GivenFlag[]): readonly string[] {
  const last = new Map(given.map(({ name, value }) => [name, value]));
  return ASKING.flatMap((name) => {
    const value = last.get(name);
    return value ? [`--${name}=${value}`] : [];
  });
}

interface Way extends Pick<VerbCall, "etcd" | "namedBy" | "unreadable"> {
  readonly problems: readonly string[];
}

function readWay(given: readonly GivenFlag[], env: Environment, readFiles: ReadSettingsFiles): Way {
  const { settings, namedBy, unreadable } = resolveEtcdSettings(given, env, readFiles);
  const { options, problems } = readEtcdOptions(settings);
  return { etcd: options, namedBy, unreadable, problems };
}

/** Of a command that does not ask etcd. */
const NO_WAY: Way = {
  etcd: { endpoints: [], prefix: "", tls: { caFile: null, certFile: null, keyFile: null }, auth: null },
  namedBy: null,
  unreadable: null,
  problems: [],
};

/** An empty word, as a variable that is not set leaves it, does not mean that a word is left away. */
function countWords(verb: VerbSyntax, words: readonly string[], hasEmptyWord: boolean): readonly string[] {
  const missing = verb.words.slice(words.length).filter(({ optional }) => !optional || hasEmptyWord);
  return [
    ...missing.map(({ name }) => `${verb.name} needs ${name}: flanneld ${verb.name} ${formatUsage(verb)}`),
    ...words.slice(verb.words.length).map((word) => `unexpected word ${quote(word)}`),
  ];
}

function misspeltBool({ name, type }: Flag, setting: Setting | undefined): readonly string[] {
  const value = setting?.values[0] ?? "";
  if (type !== "bool" || parseGoBoolean(value) !== null) return [];
  return [`-${name}=${value}: must be true or false`];
}

export function formatUsage({ words }: VerbSyntax): string {
  return [...words.map(({ name, optional }) => (optional ? `[${name}]` : name)), "[flags]"].join(" ");
}
