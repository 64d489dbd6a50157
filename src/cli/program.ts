// The flags as a commander program: it keeps the values, knows which of command line, environment and default each one
// came from, and lays out the help. It never prints, exits or reads process.env: the environment is an argument here.

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

/** Command line before environment before default. Compat: an empty variable is unset, a list from one has one element. */
export function resolveSettings(given: readonly GivenFlag[], env: Environment): Settings {
  const program = createProgram();
  program.parse(
    given.map(({ name, value }) => `--${name}=${value}`),
    { from: "user" },
  );
  for (const flag of FLAGS) {
    const value = flag.env ? env[envName(flag)] : undefined;
    if (!value || program.getOptionValueSource(keyOf(flag)) === "cli") continue;
    program.setOptionValueWithSource(keyOf(flag), flag.type === "list" ? [value] : value, "env");
  }
  return Object.fromEntries(FLAGS.map((flag) => [flag.name, settingOf(flag, program)])) as Settings;
}

export function formatHelp(): string {
  return createProgram().helpInformation() + AFTERWORD;
}

function createProgram(): Command {
  const program = new Command("flanneld")
    .usage("[flags]")
    .description(PREFACE)
    .helpOption(false)
    .exitOverride()
    .configureOutput({ writeOut: () => {}, writeErr: () => {}, outputError: () => {} })
    .configureHelp({ helpWidth: 80, optionTerm: termOf, optionDescription: descriptionOf, formatItem });
  for (const flag of FLAGS) program.addOption(optionOf(flag));
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

const byName = new Map<string, Flag>(FLAGS.map((flag) => [flag.name, flag]));

function termOf(option: Option): string {
  const type = byName.get(option.name())?.type;
  return type === "bool" ? `-${option.name()}[=bool]` : `-${option.name()} ${type}`;
}

function descriptionOf(option: Option): string {
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
