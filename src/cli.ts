// The command line and the environment as one value. Pure: it neither prints nor exits, and says every problem at once.
// Compat: Go flanneld ends with status 0 after a wrong flag, ignores words that are not flags, and only logs what is
// wrong in the environment; here all three are refused.

import { FlannelError } from "./base/errors.ts";
import { FLAGS } from "./cli/flags.ts";
import { parseGoBoolean, readGoFlags } from "./cli/go-flags.ts";
import { type Options, readOptions } from "./cli/options.ts";
import { type Environment, formatHelp, resolveSettings } from "./cli/program.ts";
import { VERSION } from "./version.ts";

export type CommandLine =
  | { readonly kind: "run"; readonly options: Options }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version"; readonly text: string };

/** `argv` without node and script. Throws `usage.invalid`. Help comes before all else, the version before the values. */
export function parseCommandLine(argv: readonly string[], env: Environment): CommandLine {
  const { given, help, problems: misread } = readGoFlags(argv, FLAGS);
  if (help) return { kind: "help", text: formatHelp() };
  const settings = resolveSettings(given, env);
  if (misread.length === 0 && parseGoBoolean(settings.version.values[0] ?? "") === true) {
    return { kind: "version", text: `flanneld ${VERSION}` };
  }
  const { options, problems } = readOptions(settings);
  const all = [...misread, ...problems];
  if (all.length > 0) throw new FlannelError("usage.invalid", { problems: all });
  return { kind: "run", options };
}
