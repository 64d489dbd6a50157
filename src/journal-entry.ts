// One line of pino's JSON as an entry of systemd's journal, whose fields can be asked for by name. Pure.

import { escapeControls } from "./base/terminal-text.ts";
import { priorityOf } from "./journal-text.ts";

/** Of every field of ours, so that none is taken for one of the journal's own (systemd.journal-fields(7)). */
const PREFIX = "FLANNEL_";
/** LOG_DAEMON, as what systemd reads from a service's standard error. */
const FACILITY = 3;

/**
 * In the form of systemd's native protocol: a field a line. `json` is a line as pino writes it, `message` the text that
 * people read. `publicIp` is FLANNEL_PUBLIC_IP.
 */
export function formatEntry(json: string, message: string): string {
  const { level, time: _, msg, ...fields } = JSON.parse(json) as Readonly<Record<string, unknown>>;
  const own = {
    MESSAGE: message,
    PRIORITY: priorityOf(String(level)),
    SYSLOG_FACILITY: FACILITY,
    SYSLOG_IDENTIFIER: "flanneld",
    [`${PREFIX}EVENT`]: msg,
  };
  const ours = Object.entries(fields).map(([key, value]) => [fieldName(key), value] as const);
  return [...Object.entries(own), ...ours].map(([name, value]) => `${name}=${textOf(value)}\n`).join("");
}

/** The journal takes capital letters, digits and underscores. */
function fieldName(key: string): string {
  return (
    PREFIX +
    key
      .replaceAll(/(?<=[a-z\d])(?=[A-Z])/g, "_")
      .replaceAll(/\W/g, "_")
      .toUpperCase()
  );
}

/** A value ends with its line. */
function textOf(value: unknown): string {
  return escapeControls(typeof value === "string" ? value : JSON.stringify(value));
}
