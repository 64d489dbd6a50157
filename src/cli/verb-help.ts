// What help says of the operator's commands: of each, of a group of them, and of all. Pure.

import { formatProgram } from "./program.ts";
import { SETTINGS_FILES } from "./service-settings.ts";
import { BUILT_IN, flagsOf, formatUsage, type VerbSyntax } from "./verbs.ts";

const SETTINGS_NOTE = `
Where neither -etcd-endpoints nor its variable is set, what is not given is
taken from the settings of the service:
${SETTINGS_FILES.join(", ")}.`;

export function formatVerbHelp(verb: VerbSyntax): string {
  return formatProgram({
    name: `flanneld ${verb.name}`,
    usage: formatUsage(verb),
    description: `${verb.summary}\n\n${verb.details}`,
    flags: flagsOf(verb),
  })
    .trimEnd()
    .concat(verb.asks === "etcd" ? `\n${SETTINGS_NOTE}` : "");
}

/** A line for each command, or for each that asks these. */
export function listVerbs(verbs: readonly VerbSyntax[], asked: VerbSyntax["asks"] | null = null): readonly string[] {
  const entries = asked === null ? [...verbs, ...BUILT_IN] : verbs.filter(({ asks }) => asks === asked);
  return listed(entries, [...verbs, ...BUILT_IN]);
}

/** Columns as wide as `all` of them need. */
function listed(
  entries: readonly Pick<VerbSyntax, "name" | "summary">[],
  all: readonly Pick<VerbSyntax, "name">[] = entries,
): readonly string[] {
  const width = Math.max(...all.map(({ name }) => name.length));
  return entries.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
}

export function formatGroup(name: string, verbs: readonly VerbSyntax[]): string {
  return [
    `Usage: flanneld ${name} COMMAND [flags]`,
    "",
    ...listed(verbs),
    "",
    `flanneld help ${name} COMMAND explains one, flanneld help lists all commands.`,
  ].join("\n");
}

export function formatOverview(verbs: readonly VerbSyntax[]): string {
  return [
    "Usage: flanneld COMMAND [flags]",
    "",
    "Commands for operators. These ask the flanneld that runs on this host, through a",
    "socket that root and the group flannel may open:",
    "",
    ...listVerbs(verbs, "daemon"),
    "",
    "These look at etcd; only ping and parts of check need root. They find it by the",
    "flags and the FLANNELD_ETCD_* variables that the daemon has. Where neither names",
    `endpoints, the settings of the service on this host apply, if there are any:`,
    `${SETTINGS_FILES.join(", ")}.`,
    "",
    ...listVerbs(verbs, "etcd"),
    "",
    ...listed(BUILT_IN, [...verbs, ...BUILT_IN]),
    "",
    "flanneld help COMMAND explains one; flanneld -help explains the daemon, which",
    "runs when there is no command.",
    "",
    "Exit status: 0 done, 64 wrong command line, 65 refused, nothing was changed,",
    "74 the result cannot be written, 75 etcd does not answer, 78 no or bad network",
    "config. status, peers, check and ping: 0 fine, 1 degraded, 2 broken; 2 also when",
    "no daemon answers.",
  ].join("\n");
}
