// Where an operator's command finds etcd: by the command line, by the environment, and where neither names endpoints, as
// the service on this host does. Pure. The files are given as texts; they are those that flanneld.service names, and they
// are understood as systemd, bin/flanneld-start and the daemon do together.
// What systemd has read is in the daemon's environment; it looks here only for a password that etcd has refused.

import { parseEnvironmentFile, splitWords } from "./environment-file.ts";
import { envName, FLAGS, type Flag, type FlagName } from "./flags.ts";
import { type GivenFlag, readGoFlags } from "./go-flags.ts";
import type { EtcdOptions } from "./options.ts";
import { type Environment, resolveSettings, type Setting, type Settings } from "./program.ts";

/** In the order in which the unit reads them: the last one wins. */
export const SETTINGS_FILES: readonly string[] = ["/etc/default/flanneld", "/etc/sysconfig/flanneld"];

export type SettingsFile =
  | { readonly kind: "text"; readonly path: string; readonly text: string }
  /** It is there, and nobody but root may read it, for one. */
  | { readonly kind: "unreadable"; readonly path: string; readonly reason: string };

/** Those that there are. Called at most once, and only by a command that is not told where etcd is. */
export type ReadSettingsFiles = () => readonly SettingsFile[];

export const ETCD_FLAGS: readonly Flag<FlagName>[] = FLAGS.filter(({ group }) => group === "etcd");

export interface EtcdSettings {
  readonly settings: Settings;
  /** What has named the endpoints, for people: "FLANNEL_ETCD_ENDPOINTS in /etc/sysconfig/flanneld"; null: nothing has. */
  readonly namedBy: string | null;
  /** Of the service's settings, which nothing stands in for: not to be guessed. */
  readonly unreadable: Extract<SettingsFile, { kind: "unreadable" }> | null;
}

/**
 * Who names other endpoints has nothing of the service's: its password and certificates are for its own etcd. Who names
 * only a prefix or a user has the rest from there.
 */
export function resolveEtcdSettings(
  given: readonly GivenFlag[],
  env: Environment,
  readFiles: ReadSettingsFiles,
): EtcdSettings {
  const own = resolveSettings(given, env);
  const files = own["etcd-endpoints"].given ? [] : readFiles();
  const service = readService(files);
  const isOwn = (name: FlagName) => together(name).some((member) => own[member].given);
  const theirs = [...service].filter(([name]) => !isOwn(name));
  const settings: Settings = { ...own, ...Object.fromEntries(theirs) };
  const endpoints = settings["etcd-endpoints"];
  const unreadable = files.find((file) => file.kind === "unreadable") ?? null;
  return { settings, namedBy: endpoints.given ? endpoints.written : null, unreadable };
}

/** The service's user and password for etcd; null when it has none. */
export function serviceLogin(files: readonly SettingsFile[]): EtcdOptions["auth"] {
  const service = readService(files);
  const [username, password] = [service.get("etcd-username")?.values[0], service.get("etcd-password")?.values[0]];
  return username && password ? { username, password } : null;
}

const PAIRS: readonly (readonly FlagName[])[] = [
  ["etcd-certfile", "etcd-keyfile"],
  ["etcd-username", "etcd-password"],
];

/** A password is of no use to another user, nor a key to another certificate. */
function together(name: FlagName): readonly FlagName[] {
  return PAIRS.find((pair) => pair.includes(name)) ?? [name];
}

interface Variable {
  readonly value: string;
  readonly path: string;
}

function readService(files: readonly SettingsFile[]): ReadonlyMap<FlagName, Setting> {
  const variables = new Map<string, Variable>();
  for (const file of files) {
    if (file.kind !== "text") continue;
    for (const [name, value] of parseEnvironmentFile(file.text)) variables.set(name, { value, path: file.path });
  }
  const settingBy = (name: string): Setting | null => {
    const variable = variables.get(name);
    return variable?.value ? settingOf(variable.value, name, variable) : null;
  };
  const found = ETCD_FLAGS.map((flag): [FlagName, Setting | null] => [
    flag.name,
    byOptions(flag, variables) ?? byStarter(flag, settingBy) ?? settingBy(envName(flag)),
  ]);
  return new Map(found.filter((entry): entry is [FlagName, Setting] => entry[1] !== null));
}

function settingOf(value: string, written: string, { path }: Variable): Setting {
  return { values: [value], given: true, written: `${written} in ${path}` };
}

/** Further flags; what is wrong with them is the daemon's to say. */
function byOptions({ name }: Flag<FlagName>, variables: ReadonlyMap<string, Variable>): Setting | null {
  const options = variables.get("FLANNEL_OPTIONS");
  if (!options) return null;
  const last = readGoFlags(splitWords(options.value), FLAGS).given.findLast((flag) => flag.name === name);
  return last?.value ? settingOf(last.value, `-${name} of FLANNEL_OPTIONS`, options) : null;
}

/** What flanneld-start makes flags of, with the older names. */
function byStarter({ name }: Flag<FlagName>, settingBy: (name: string) => Setting | null): Setting | null {
  if (name === "etcd-endpoints") return settingBy("FLANNEL_ETCD_ENDPOINTS") ?? settingBy("FLANNEL_ETCD");
  if (name === "etcd-prefix") return settingBy("FLANNEL_ETCD_PREFIX") ?? settingBy("FLANNEL_ETCD_KEY");
  return null;
}
