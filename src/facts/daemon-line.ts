// What the command line and the environment of a running daemon say of the flags that `check` goes by, and for which
// network it has the lock. Pure: the texts are those of /proc. Of all else in them nothing is looked at: it may hold a
// password.

import type { DaemonProcess, DaemonSetting } from "../check/facts.ts";

/** Without etcd-prefix, which tells whose daemon it is, those that `check` has itself, and those that say where etcd is. */
const NAMES: readonly string[] = [
  "etcd-prefix",
  "iface",
  "iface-regex",
  "iface-can-reach",
  "public-ip",
  "public-ipv6",
  "subnet-file",
  "state-dir",
  "etcd-endpoints",
  "etcd-cafile",
  "etcd-certfile",
  "etcd-keyfile",
];

/** Values as they are written. Compat: -name and --name are the same, an empty text is unset. */
export function daemonSettings(cmdline: string, environ: string): Readonly<Record<string, DaemonSetting>> {
  const words = cmdline.split("\0");
  const variables = environ.split("\0");
  const settings = NAMES.flatMap((name): readonly [string, DaemonSetting][] => {
    const given = words
      .flatMap((word, index) => valuesIn(name, word, words[index + 1]))
      .filter((value) => value !== "");
    if (given.length > 0) return [[name, { values: given, written: `--${name}` }]];
    const variable = `FLANNELD_${name.toUpperCase().replaceAll("-", "_")}`;
    const value = variables.find((text) => text.startsWith(`${variable}=`))?.slice(variable.length + 1);
    return value ? [[name, { values: [value], written: variable }]] : [];
  });
  return Object.fromEntries(settings);
}

function valuesIn(name: string, word: string, next: string | undefined): readonly string[] {
  const [, found, value] = /^--?([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
  if (found !== name) return [];
  return [value ?? next ?? ""];
}

/**
 * Prefixes by the inode of the lock's socket (src/instance-lock.ts); without those that a digest stands for, and without
 * the locks of devices.
 */
export function lockedPrefixes(unixTable: string): ReadonlyMap<string, string> {
  return new Map(locksIn(unixTable).filter(([, prefix]) => !/^(?:[0-9a-f]{64}|device .*)$/.test(prefix)));
}

/** Names of devices whose lock a daemon has. */
export function lockedDevices(unixTable: string): readonly string[] {
  return locksIn(unixTable).flatMap(([, name]) => /^device (.+)$/.exec(name)?.[1] ?? []);
}

/** Inodes, and what follows "flanneld " in the name. */
function locksIn(unixTable: string): readonly (readonly [inode: string, name: string])[] {
  return (
    unixTable
      .split("\n")
      // Kernel: Num RefCount Protocol Flags Type St Inode Path; "@" is the zero byte of an abstract name.
      .map((line) => /^\S+: +(?:\S+ +){5}(\d+) @flanneld (.+)$/.exec(line))
      .flatMap((match) => (match?.[1] && match[2] ? [[match[1], match[2]] as const] : []))
  );
}

/** Networks whose lock was held before and after the processes were looked at, and is that of none which was seen. */
export function unseenPrefixes(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
  seen: readonly Pick<DaemonProcess, "prefix">[],
): readonly string[] {
  const held = [...before].filter(([inode]) => after.has(inode)).map(([, prefix]) => prefix);
  return [...new Set(held)].filter((prefix) => !seen.some((one) => one.prefix === prefix));
}
