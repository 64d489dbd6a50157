// Which values are secrets on this host: read off what the daemon and its service were started with. Pure. They are taken
// out of a report wherever they turn up, because a journal, systemctl and error messages repeat them in forms of their own.

import { parseEnvironmentFile, splitWords } from "../cli/environment-file.ts";
import { SECRET_NAME } from "./redact.ts";

/** The values in lines of NAME=value whose name says that they are secrets, quotes taken off. */
export function secretsIn(environment: string): readonly string[] {
  const lines = environment.matchAll(new RegExp(`^\\s*(?:export\\s+)?${SECRET_NAME}\\w*=(.*)$`, "gim"));
  return [...lines]
    .map(([, value = ""]) => value.trim().replace(/^(["'])(.*)\1$/, "$2"))
    .filter((value) => value !== "");
}

const SECRET_FLAG = new RegExp(`^--?${SECRET_NAME}(?:=([\\s\\S]*))?$`, "i");
const SECRET_VARIABLE = new RegExp(`^${SECRET_NAME}\\w*$`, "i");

/** Of a file that systemd reads: named by a variable, or by a flag within one, such as FLANNEL_OPTIONS. */
export function secretsInFile(text: string): readonly string[] {
  return [...secretsIn(text), ...[...parseEnvironmentFile(text)].flatMap(secretsInVariable)];
}

/** Of /proc/PID/environ. */
export function secretsInEnvironment(text: string): readonly string[] {
  return text.split("\0").flatMap((entry) => secretsInVariable(splitAt(entry, "=")));
}

/** Of /proc/PID/cmdline. */
export function secretsInCommandLine(text: string): readonly string[] {
  return secretsInWords(text.split("\0"));
}

/** Of a unit: in the words of ExecStart= and Environment=, and of whatever else there is. */
export function secretsInUnit(text: string): readonly string[] {
  return text
    .replaceAll(/\\\n/g, " ")
    .split("\n")
    .flatMap((line) => {
      const words = splitWords(splitAt(line, "=")[1]);
      return [...secretsInWords(words), ...words.flatMap((word) => secretsInVariable(splitAt(word, "=")))];
    });
}

function secretsInVariable([name, value]: readonly [string, string]): readonly string[] {
  const own = SECRET_VARIABLE.test(name) ? [value] : [];
  return [...own, ...userInfosIn(value), ...secretsInWords(splitWords(value))].filter((secret) => secret !== "");
}

/**
 * Compat: Go's flag package takes the next word as the value, whatever it looks like. A flag is found by its name
 * wherever it stands: after a mistake on the line it is no less secret.
 */
function secretsInWords(words: readonly string[]): readonly string[] {
  return words
    .flatMap((word, index) => {
      const flag = SECRET_FLAG.exec(word);
      return [...(flag ? [flag[1] ?? words[index + 1] ?? ""] : []), ...userInfosIn(word)];
    })
    .filter((secret) => secret !== "");
}

/** "ann:p@ss/w" and "p@ss/w" of https://ann:p@ss/w@etcd:2379. */
function userInfosIn(text: string): readonly string[] {
  return text.split(/,(?=[a-z][a-z0-9+.-]{0,20}:\/\/)/i).flatMap((url) => {
    const rest = url.slice(url.indexOf("://") + "://".length);
    const end = rest.lastIndexOf("@");
    if (!url.includes("://") || end === -1) return [];
    const info = rest.slice(0, end);
    return [info, splitAt(info, ":")[1]].filter((secret) => secret !== "");
  });
}

/** What follows the separator is empty when there is none. */
function splitAt(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

/** The words of /proc/PID/cmdline with blanks between them, and without what only the daemon should see. */
export function showCommandLine(text: string, removed: string): string {
  const words = text.split("\0");
  return words
    .map((word, index) => {
      if (SECRET_FLAG.test(words[index - 1] ?? "") && !words[index - 1]?.includes("=")) return removed;
      return SECRET_FLAG.exec(word)?.[1] === undefined ? word : `${splitAt(word, "=")[0]}=${removed}`;
    })
    .join(" ");
}
