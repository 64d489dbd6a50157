// Text for a terminal: aligned columns, and emphasis where the terminal shows it.

export interface Style {
  heading(text: string): string;
  good(text: string): string;
  faint(text: string): string;
}

/** Colours only for a person at a terminal who has not refused them (no-color.org). */
export function createStyle(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): Style {
  const coloured = stream.isTTY === true && !env["NO_COLOR"];
  const paint = (code: number) => (text: string) => (coloured ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { heading: paint(1), good: paint(32), faint: paint(2) };
}

/** Rows of cells -> lines, each column as wide as its widest cell. Numbers are aligned to the right. */
export function formatTable(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  const align = (cell: string, column: number) =>
    /^[\d.]+$/.test(cell) && !/\..*\./.test(cell)
      ? cell.padStart(widths[column] ?? 0)
      : cell.padEnd(widths[column] ?? 0);
  return rows.map((row) => row.map(align).join("  ").trimEnd());
}
