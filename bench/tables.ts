// Figures and verdicts of a benchmark for a person at a terminal of 120 columns. Pure.

import type { Style } from "../src/base/terminal-text.ts";

const COLUMNS = 120;

export interface Verdict {
  readonly target: string;
  /** `unknown`: what it speaks of has not been measured. */
  readonly outcome: "met" | "missed" | "unknown";
  readonly detail: string;
  /** What a reader may want to know and what decides nothing. */
  readonly information: string | null;
}

/** The first column is words, the others are figures. */
export function alignRight(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const align = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  return rows.map((row) => row.map(align).join("  ").trimEnd());
}

/** Lines of whole words; those after the first are indented further. */
export function wrap(content: string, indent: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of content.split(/\s+/)) {
    const start = " ".repeat(lines.length === 0 ? indent : indent + 2);
    const longer = line === "" ? `${start}${word}` : `${line} ${word}`;
    if (longer.length > COLUMNS && line !== "") {
      lines.push(line);
      line = `${" ".repeat(indent + 2)}${word}`;
    } else {
      line = longer;
    }
  }
  return [...lines, line];
}

export function formatVerdicts(verdicts: readonly Verdict[], style: Style): readonly string[] {
  if (verdicts.length === 0) return [];
  const width = Math.max(...verdicts.map(({ target }) => target.length));
  const words = { met: style.good("met    "), missed: style.heading("MISSED "), unknown: style.faint("unknown") };
  const lines = verdicts.flatMap(({ target, outcome, detail, information }) => [
    `  ${words[outcome]}  ${target.padEnd(width)}  ${detail}`,
    ...(information === null ? [] : wrap(information, 11).map(style.faint)),
  ]);
  return ["", style.heading("Targets"), ...lines];
}
