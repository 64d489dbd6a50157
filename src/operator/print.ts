// How commands write: a value as JSON, or lines of text in which nothing from outside can steer the terminal.

import type { Json } from "../base/json.ts";
import { escapeControls, formatTable } from "../base/terminal-text.ts";
import type { Screen } from "./verb.ts";

export function printJson(out: Screen, value: Json): void {
  out.write(`${JSON.stringify(value, null, 2)}\n`);
}

export function printLines(out: Screen, lines: readonly string[]): void {
  if (lines.length > 0) out.write(lines.map((line) => `${line}\n`).join(""));
}

/** Columns below their headings. */
export function printTable(out: Screen, heading: readonly string[], rows: readonly (readonly string[])[]): void {
  const cells = [heading, ...rows.map((row) => row.map(escapeControls))];
  const [first = "", ...lines] = formatTable(cells, () => false);
  printLines(out, [out.style.heading(first), ...lines]);
}

/** Names and values, indented. */
export function printPairs(out: Screen, pairs: readonly (readonly [string, string])[]): void {
  const width = Math.max(...pairs.map(([name]) => name.length));
  printLines(
    out,
    pairs.map(([name, value]) => `  ${name.padEnd(width)}  ${escapeControls(value)}`),
  );
}

export function printWarnings(out: Screen, sentences: readonly string[]): void {
  printLines(
    out,
    sentences.map((sentence) => `${out.style.bad("warning")}: ${escapeControls(sentence)}`),
  );
}

/** For a person, beside the result. */
export function tell(err: Screen, text: string): void {
  err.write(`flanneld: ${escapeControls(text)}\n`);
}
