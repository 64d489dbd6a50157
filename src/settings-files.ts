// The files with the settings of flanneld.service: for commands that are not told where etcd is, and for the daemon's
// password when etcd refuses that.

import { readFileSync } from "node:fs";
import { describeFileError } from "./base/file-error.ts";
import { SETTINGS_FILES, type SettingsFile } from "./cli/service-settings.ts";

/** Those that there are, in the unit's order. */
export function readSettingsFiles(): readonly SettingsFile[] {
  return SETTINGS_FILES.flatMap((path) => readSettingsFile(path));
}

function readSettingsFile(path: string): readonly SettingsFile[] {
  try {
    return [{ kind: "text", path, text: readFileSync(path, "utf8") }];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    return [{ kind: "unreadable", path, reason: describeFileError(error) }];
  }
}
