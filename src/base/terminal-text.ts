// Text for a terminal: aligned columns, emphasis where the terminal shows it, and nothing that steers it.

export interface Style {
  readonly isColoured: boolean;
  heading(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  faint(text: string): string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Of a person at a terminal: whether it shows colours, and they have not been refused (no-color.org). */
export function wantsColour(env: Environment): boolean {
  return !env["NO_COLOR"] && env["TERM"] !== "dumb";
}

export function createStyle(stream: { readonly isTTY?: boolean }, env: Environment): Style {
  const coloured = stream.isTTY === true && wantsColour(env);
  const paint = (code: number) => (text: string) => (coloured ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { isColoured: coloured, heading: paint(1), good: paint(32), bad: paint(31), faint: paint(2) };
}

/** For a file. */
export const PLAIN: Style = createStyle({}, {});

/** Rows of cells -> lines, each column as wide as its widest cell. Numbers are aligned to the right, if not told else. */
export function formatTable(
  rows: readonly (readonly string[])[],
  isAlignedRight: (cell: string) => boolean = isNumber,
): readonly string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  const align = (cell: string, column: number) =>
    isAlignedRight(cell) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0);
  return rows.map((row) => row.map(align).join("  ").trimEnd());
}

/** Not an address. */
function isNumber(cell: string): boolean {
  return /^[\d.]+$/.test(cell) && !/\..*\./.test(cell);
}

/** A whole number: "4,294,967,296". */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** C0, DEL, C1 and the two Unicode line ends, the way JSON would write them: for what comes from outside. */
export function escapeControls(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** The same for a text of several lines, whose ends and tabs stay. */
export function escapeAllButLines(text: string): string {
  return text
    .split(/(\r?\n|\t)/)
    .map((part, index) => (index % 2 === 1 ? part : escapeControls(part)))
    .join("");
}
