// The text of an EnvironmentFile= as systemd reads it, and the words that systemd makes of a variable which a unit names as
// $NAME. Pure. No shell and no expansion. test/install compares both with systemd itself.

const BLANKS = /[ \t\r\n]*/y;
/** systemd: before 254 a comment that ends with a backslash goes on in the next line. */
const COMMENT = /[#;][^\r\n]*/y;
const ASSIGNMENT = /([^=\r\n]*)=[ \t]*/y;
const REST_OF_LINE = /[^\r\n]*/y;
/** In double quotes a backslash takes the meaning of these, and else stays. */
const DOUBLE_QUOTED = /"((?:[^"\\]|\\[\s\S])*)"?[ \t]*/y;
const SINGLE_QUOTED = /'([^']*)'?[ \t]*/y;
/** To the end of the line. Quotes that begin here are characters as all others, and blanks at its end are none of it. */
const BARE = /((?:[^\\\r\n]|\\[\s\S])*?)[ \t]*(?=[\r\n]|\\?$)/y;

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Control characters: systemd leaves the variable out. */
const UNFIT = /[^\P{Cc}\t\n]/u;

/** The last assignment of a name counts. A line that is none is ignored; systemd mentions some of them in its log. */
export function parseEnvironmentFile(text: string): ReadonlyMap<string, string> {
  const scanner = createScanner(text);
  const variables = new Map<string, string>();
  for (;;) {
    scanner.take(BLANKS);
    if (scanner.isAtEnd()) return variables;
    if (scanner.take(COMMENT)) continue;
    const assignment = scanner.take(ASSIGNMENT);
    if (!assignment) {
      scanner.take(REST_OF_LINE);
      continue;
    }
    const name = (assignment[1] ?? "").trimEnd();
    const value = readValue(scanner);
    if (NAME.test(name) && !UNFIT.test(value)) variables.set(name, value);
  }
}

/** Quoted parts, which may stand side by side, and then what is not quoted. */
function readValue(scanner: Scanner): string {
  let value = "";
  for (;;) {
    const double = scanner.take(DOUBLE_QUOTED);
    const single = double ?? scanner.take(SINGLE_QUOTED);
    if (double)
      value += (double[1] ?? "").replaceAll(/\\(["\\`$]|\n)/g, (_, escaped) => (escaped === "\n" ? "" : escaped));
    else if (single) value += single[1] ?? "";
    else return value + (scanner.take(BARE)?.[1] ?? "").replaceAll(/\\(?:[\r\n]|([\s\S]))/g, "$1");
  }
}

interface Scanner {
  /** What the sticky pattern matches where we are, which is then behind us; null when it does not match. */
  take(pattern: RegExp): RegExpExecArray | null;
  isAtEnd(): boolean;
}

function createScanner(text: string): Scanner {
  let position = 0;
  return {
    take(pattern) {
      pattern.lastIndex = position;
      const match = pattern.exec(text);
      if (match) position = pattern.lastIndex;
      return match;
    },
    isAtEnd: () => position >= text.length,
  };
}

const WORD = /(?:[^ \t\r\n"'\\]|\\[\s\S]?|"(?:[^"\\]|\\[\s\S]?)*"?|'(?:[^'\\]|\\[\s\S]?)*'?)+/g;
const PART = /"((?:[^"\\]|\\[\s\S]?)*)"?|'((?:[^'\\]|\\[\s\S]?)*)'?|\\([\s\S]?)/g;

/** At blanks outside of quotes, which may begin within a word. A backslash makes a character of whatever follows. */
export function splitWords(text: string): readonly string[] {
  const literal = (part: string) => part.replaceAll(/\\([\s\S]?)/g, "$1");
  return (text.match(WORD) ?? []).map((word) =>
    word.replaceAll(PART, (_, double, single, escaped) => literal(double ?? single ?? "") + (escaped ?? "")),
  );
}
