// What node:test's report in TAP says: how many tests there were, and why those failed that did.

/** Of an error; what is compared may be long. */
const MOST_LINES = 12;
/** What node:test says of a test for which another one that failed is to blame. */
const FOLLOWS = [/^\d+ subtests? failed$/, /^test did not finish before its parent and was cancelled$/];

/** The sums at the end of a report; null when it did not get that far. `empty`: files in which nothing was tested. */
export function readCounts(tap) {
  const sum = (name) => Number(tap.match(new RegExp(`^# ${name} (\\d+)$`, "m"))?.[1] ?? Number.NaN);
  const [passed, failed, skipped] = [sum("pass"), sum("fail") + sum("cancelled"), sum("skipped") + sum("todo")];
  if ([passed, failed, skipped].some(Number.isNaN)) return null;
  // Node: a file in which nothing was tested is itself reported as a test that passed, by its name.
  const empty = [...tap.matchAll(/^ok \d+ - (.+\.test\.js)$/gm)].map(([, file]) => file);
  return { passed: passed - empty.length, failed: failed + empty.length, skipped, empty };
}

/** Each test that failed by itself: its name, where it stands, and its error. */
export function readFailures(tap) {
  const failure = /^( *)not ok \d+ - (.*)\n\1 {2}---\n((?:.*\n)*?)\1 {2}\.\.\.$/gm;
  return [...tap.matchAll(failure)].flatMap(([, indent, name, details]) => {
    const field = (key) => fieldOf(details.replaceAll(new RegExp(`^${indent} {2}`, "gm"), ""), key);
    const error = field("error");
    if (FOLLOWS.some((pattern) => pattern.test(error))) return [];
    // Node: a backslash stands before what TAP would take for its own.
    return [{ name: name.replaceAll(/\\([\\#])/g, "$1"), where: field("location"), error }];
  });
}

/** As node:test writes it: on one line, in quotes of a kind that the text does not have, or in lines that are set in. */
function fieldOf(details, key) {
  const line = details.match(new RegExp(`^${key}: (['"\`])(.*)\\1$`, "m"))?.[2];
  if (line !== undefined) return line;
  const block = details.match(new RegExp(`^${key}: \\|-\\n((?:(?: {2}.*)?\\n)*)`, "m"))?.[1] ?? "";
  const lines = block.replaceAll(/^ {2}/gm, "").trimEnd().split("\n");
  return [...lines.slice(0, MOST_LINES), ...(lines.length > MOST_LINES ? ["…"] : [])].join("\n");
}
