// Flags, the daemon's or a command's, as a commander program: it keeps the values, knows which of command line,
// environment and default each one came from, and lays out the help. It never prints, exits or reads process.env: the
// environment is an argument here.

import { Command, type Help, Option } from "commander";
import { envName, FLAGS, type Flag, type FlagName, GROUP_TITLES } from "./flags.ts";
import type { GivenFlag } from "./go-flags.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Setting {
  /** One text; for a list as many as were given, empty ones left out. */
  readonly values: readonly string[];
  readonly given: boolean;
  /** What the operator has to change: "-v" or "FLANNELD_V". */
  readonly written: string;
}

export type Settings = Readonly<Record<FlagName, Setting>>;

const PREFACE =
  "Gives every container on every host an address of its own: leases a subnet for this host in etcd, " +
  "and keeps the kernel's routes to the subnets of all other hosts.";

const AFTERWORD = `
-name and --name are the same. Write -name=value or -name value; a bool takes
its value only after "=" (-ip-masq=false), and -name alone means true. Each flag
can also be set by the variable shown with it: the command line wins over the
variable, and an empty variable counts as unset.

Exit status: 0 stopped or help, 64 bad flag, 75 restart may help, 77 missing
privilege, 78 bad config or host, 1 bug.`;

/**
 * Command line before environment before default. Compat: an empty variable is unset, a list from one has one element.
 * Unlike in Go flanneld an empty text on the command line is unset, too: -etcd-prefix=${FLANNEL_ETCD_PREFIX} in a unit
 * becomes one when nobody has set the variable, and must not stand in the way of FLANNELD_ETCD_PREFIX or the default.
 */
export function resolveSettings(given: readonly GivenFlag[], env: Environment): Settings {
  return resolveFlags<FlagName>(FLAGS, given, env);
}

/** The same for any flags. */
export function resolveFlags<Name extends string>(
  flags: readonly Flag<Name>[],
  given: readonly GivenFlag[],
  env: Environment,
): Readonly<Record<Name, Setting>> {
  const program = createProgram({ name: "flanneld", usage: "", description: "", flags });
  program.parse(
    given.filter(({ value }) => value !== "").map(({ name, value }) => `--${name}=${value}`),
    { from: "user" },
  );
  for (const flag of flags) {
    const value = flag.env ? env[envName(flag)] : undefined;
    if (!value || program.getOptionValueSource(keyOf(flag)) === "cli") continue;
    program.setOptionValueWithSource(keyOf(flag), flag.type === "list" ? [value] : value, "env");
  }
  return Object.fromEntries(flags.map((flag) => [flag.name, settingOf(flag, program)])) as Record<Name, Setting>;
}

/** The daemon's help. `commands` are lines about what else the program does. */
export function formatHelp(commands: readonly string[] = []): string {
  const help = formatProgram({ name: "flanneld", usage: "[flags]", description: PREFACE, flags: FLAGS });
  const list =
    commands.length === 0
      ? ""
      : `\nCommands for operators; flanneld help COMMAND explains one:\n${commands.join("\n")}\n`;
  return help + list + AFTERWORD;
}

export interface ProgramSyntax {
  /** "flanneld config get" */
  readonly name: string;
  /** What comes behind the name: "[FILE|-] [flags]". */
  readonly usage: string;
  readonly description: string;
  readonly flags: readonly Flag[];
}

/** Usage, description and flags by group. */
export function formatProgram(syntax: ProgramSyntax): string {
  return createProgram(syntax).helpInformation();
}

function createProgram({ name, usage, description, flags }: ProgramSyntax): Command {
  const byName = new Map<string, Flag>(flags.map((flag) => [flag.name, flag]));
  const termOf = (option: Option) => formatTerm(option, byName);
  const optionDescription = (option: Option) => formatDescription(option, byName);
  const program = new Command(name)
    .usage(usage)
    .description(description)
    .helpOption(false)
    .exitOverride()
    .configureOutput({ writeOut: () => {}, writeErr: () => {}, outputError: () => {} })
    .configureHelp({ helpWidth: 80, optionTerm: termOf, optionDescription, formatItem });
  for (const flag of flags) program.addOption(optionOf(flag));
  return program;
}

function optionOf(flag: Flag): Option {
  const option = new Option(`--${flag.name} <${flag.type}>`, flag.help).helpGroup(`${GROUP_TITLES[flag.group]}:`);
  if (flag.type !== "list") return option.default(flag.default);
  return option.default([]).argParser((value, earlier: readonly string[]) => [...earlier, value]);
}

function keyOf(flag: Flag): string {
  return optionOf(flag).attributeName();
}

function settingOf(flag: Flag, program: Command): Setting {
  const value: unknown = program.getOptionValue(keyOf(flag));
  const source = program.getOptionValueSource(keyOf(flag));
  const values = Array.isArray(value) ? value.map(String).filter((text) => text !== "") : [String(value)];
  return { values, given: source !== "default", written: source === "env" ? envName(flag) : `-${flag.name}` };
}

function formatTerm(option: Option, byName: ReadonlyMap<string, Flag>): string {
  const type = byName.get(option.name())?.type;
  return type === "bool" ? `-${option.name()}[=bool]` : `-${option.name()} ${type}`;
}

function formatDescription(option: Option, byName: ReadonlyMap<string, Flag>): string {
  const flag = byName.get(option.name());
  if (!flag) return option.description;
  const facts = [
    ...(flag.notBuilt === null ? [] : ["not built yet"]),
    ...(flag.default === "" ? [] : [`default ${flag.default}`]),
    ...(flag.env ? [envName(flag)] : []),
  ];
  return facts.length > 0 ? `${flag.help}\n(${facts.join("; ")})` : flag.help;
}

/** The longest names leave no room for a second column, so the description goes below. */
function formatItem(term: string, _termWidth: number, description: string, helper: Help): string {
  const text = helper.boxWrap(description, (helper.helpWidth ?? 80) - 6);
  return `  ${term}\n${text.replaceAll(/^/gm, "      ")}`;
}
