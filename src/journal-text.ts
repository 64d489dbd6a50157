// One line of pino's JSON as one line for a person. Pure. Whatever is in a field, the line stays one line and cannot
// steer a terminal.

import { millis } from "./base/brand.ts";
import { formatDuration } from "./base/duration.ts";
import { escapeControls } from "./base/terminal-text.ts";

/**
 * `journal`: a priority for journald, which knows the time itself; `bare`: not even that. `colour`: for a terminal.
 */
export type LineStyle = "journal" | "bare" | "plain" | "colour";

interface Level {
  readonly word: string;
  /** syslog(3); the prefix of sd-daemon(3). */
  readonly priority: number;
  /** SGR code, or null for the terminal's own colour. */
  readonly colour: number | null;
}

const LEVELS: Readonly<Record<string, Level>> = {
  error: { word: "ERROR", priority: 3, colour: 31 },
  warn: { word: "WARN ", priority: 4, colour: 33 },
  info: { word: "INFO ", priority: 6, colour: null },
  debug: { word: "DEBUG", priority: 7, colour: 2 },
};

const OTHER: Level = { word: "INFO ", priority: 6, colour: null };

/** `json` is a line as pino writes it: level, time, msg and the fields. */
export function formatLine(json: string, style: LineStyle): string {
  const { level, time, msg, ...fields } = JSON.parse(json) as Readonly<Record<string, unknown>>;
  const facts = LEVELS[String(level)] ?? OTHER;
  const pairs = Object.entries(fields).map(([key, value]) => formatField(key, value));
  return `${[head(facts, time, style) + escapeControls(String(msg ?? "")), ...pairs].join(" ")}\n`;
}

/** As it is; for journald with the priority before it, which does not become a part of the text. */
export function formatJsonLine(json: string, style: LineStyle): string {
  const { level } = JSON.parse(json) as { readonly level?: unknown };
  return prioritized(json, String(level), style);
}

export function prioritized(line: string, level: string, style: LineStyle): string {
  return style === "journal" ? `<${priorityOf(level)}>${line}` : line;
}

/** syslog(3) */
export function priorityOf(level: string): number {
  return (LEVELS[level] ?? OTHER).priority;
}

function head({ word, priority, colour }: Level, time: unknown, style: LineStyle): string {
  if (style === "journal") return `<${priority}>`;
  if (style === "bare") return "";
  const painted = style === "colour" && colour !== null ? `\u001b[${colour}m${word}\u001b[0m` : word;
  return `${String(time)} ${painted} `;
}

/** Programs count milliseconds, people do not. */
function formatField(key: string, value: unknown): string {
  if (key === "ms" && typeof value === "number") return `duration=${formatDuration(millis(value))}`;
  return `${key}=${formatValue(value)}`;
}

function formatValue(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const bare = text !== "" && !/[\s"=\p{Cc}]/u.test(text);
  return bare ? text : escapeControls(JSON.stringify(text));
}
