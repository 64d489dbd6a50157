// The command line and the environment as one value. Pure: it neither prints nor exits, and says every problem at once.
// Compat: Go flanneld ends with status 0 after a wrong flag, ignores words that are not flags, and only logs what is
// wrong in the environment; here all three are refused. The commands are an addition.

import { FlannelError } from "./base/errors.ts";
import { FLAGS } from "./cli/flags.ts";
import { parseGoBoolean, readGoFlags } from "./cli/go-flags.ts";
import { type Options, readOptions } from "./cli/options.ts";
import { type Environment, formatHelp, resolveSettings } from "./cli/program.ts";
import type { ReadSettingsFiles } from "./cli/service-settings.ts";
import { formatGroup, formatOverview, formatVerbHelp, listVerbs } from "./cli/verb-help.ts";
import { asksForJson, flagsOf, matchVerb, parseVerbLine, type VerbCall, type VerbSyntax } from "./cli/verbs.ts";
import { VERSION } from "./version.ts";

export type CommandLine<V extends VerbSyntax> =
  | { readonly kind: "run"; readonly options: Options }
  | { readonly kind: "verb"; readonly verb: V; readonly call: VerbCall }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version"; readonly text: string };

/**
 * `argv` without node and script; `readFiles` gives commands the settings of the service. Throws `usage.invalid`. Help
 * comes before all else, the version before the values.
 */
export function parseCommandLine<V extends VerbSyntax>(
  argv: readonly string[],
  env: Environment,
  verbs: readonly V[],
  readFiles: ReadSettingsFiles,
): CommandLine<V> {
  const match = matchVerb(argv, verbs);
  switch (match.kind) {
    case "none":
      return parseDaemonLine(argv, env, { verbs, stray: [] });
    case "unknown":
      return parseDaemonLine(argv, env, { verbs, stray: match.problems });
    case "group":
      return { kind: "help", text: formatGroup(match.name, match.verbs) };
    case "version":
      return { kind: "version", text: formatVersion(asksForJson(argv, verbs)) };
    case "help":
      return { kind: "help", text: match.verb ? formatVerbHelp(match.verb) : formatOverview(verbs) };
    case "verb":
      return callVerb(match.verb, argv, env, readFiles);
  }
}

function callVerb<V extends VerbSyntax>(
  verb: V,
  argv: readonly string[],
  env: Environment,
  readFiles: ReadSettingsFiles,
): CommandLine<V> {
  const line = parseVerbLine(verb, argv, env, readFiles);
  switch (line.kind) {
    case "help":
      return { kind: "help", text: formatVerbHelp(verb) };
    case "refused":
      throw new FlannelError("usage.invalid", { problems: line.problems });
    case "call":
      return { kind: "verb", verb, call: line.call };
  }
}

/** `stray`: what is wrong with words that are no command. */
function parseDaemonLine(
  argv: readonly string[],
  env: Environment,
  { verbs, stray }: { readonly verbs: readonly VerbSyntax[]; readonly stray: readonly string[] },
): CommandLine<never> {
  // Beside a word that is no command, a flag that only commands have is no second mistake.
  const known = stray.length === 0 ? FLAGS : [...FLAGS, ...verbs.flatMap(flagsOf)];
  const { given, help, problems: misread } = readGoFlags(argv, known);
  if (help) return { kind: "help", text: formatHelp(listVerbs(verbs)) };
  const own = given.filter(({ name }) => FLAGS.some((flag) => flag.name === name));
  const settings = resolveSettings(own, env);
  const unread = [...stray, ...misread];
  if (unread.length === 0 && parseGoBoolean(settings.version.values[0] ?? "") === true) {
    return { kind: "version", text: formatVersion(false) };
  }
  const { options, problems } = readOptions(settings);
  const all = [...unread, ...problems];
  if (all.length > 0) throw new FlannelError("usage.invalid", { problems: all });
  return { kind: "run", options };
}

function formatVersion(json: boolean): string {
  return json ? JSON.stringify({ version: VERSION }) : `flanneld ${VERSION}`;
}
