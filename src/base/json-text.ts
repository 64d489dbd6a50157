// JSON text -> value, for text that a person wrote: a mistake is reported with its line, its column and what was
// expected there. JSON.parse names neither in half of its messages and words them differently in each Node version.
// Not for bulk data: records in the thousands go through JSON.parse.

import { FlannelError } from "./errors.ts";
import type { Json } from "./json.ts";

interface Cursor {
  readonly text: string;
  position: number;
}

/** Deeper than any config; keeps a hostile document from exhausting the stack. */
const DEEPEST = 100;

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: RFC 8259 forbids exactly these inside a string.
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const WORD = /true|false|null/y;

/** Throws `config.invalid` unless the text is one JSON document. Of equal keys the last wins, and takes its place. */
export function parseJson(text: string): Json {
  const cursor = { text, position: 0 };
  const value = parseValue(cursor, 0);
  skipSpace(cursor);
  if (cursor.position < text.length) throw unexpected(cursor, "the end");
  return value;
}

function parseValue(cursor: Cursor, depth: number): Json {
  skipSpace(cursor);
  if (depth > DEEPEST) throw invalid(cursor, `nested more than ${DEEPEST} levels deep`);
  if (accept(cursor, "{")) return parseMembers(cursor, depth);
  if (accept(cursor, "[")) return parseElements(cursor, depth);
  const scalar = take(cursor, STRING) ?? take(cursor, NUMBER) ?? take(cursor, WORD);
  if (scalar === null) throw unexpected(cursor, cursor.text[cursor.position] === '"' ? "a valid string" : "a value");
  return JSON.parse(scalar) as Json;
}

/** After the opening brace. */
function parseMembers(cursor: Cursor, depth: number): Json {
  const members = new Map<string, Json>();
  skipSpace(cursor);
  if (accept(cursor, "}")) return {};
  for (;;) {
    skipSpace(cursor);
    const key = take(cursor, STRING);
    if (key === null) throw unexpected(cursor, "a name in double quotes");
    skipSpace(cursor);
    if (!accept(cursor, ":")) throw unexpected(cursor, `a colon after ${key}`);
    const value = parseValue(cursor, depth + 1);
    const name = JSON.parse(key) as string;
    members.delete(name);
    members.set(name, value);
    skipSpace(cursor);
    if (accept(cursor, "}")) return Object.fromEntries(members);
    if (!accept(cursor, ",")) throw unexpected(cursor, "a comma or }");
  }
}

/** After the opening bracket. */
function parseElements(cursor: Cursor, depth: number): Json {
  const elements: Json[] = [];
  skipSpace(cursor);
  if (accept(cursor, "]")) return elements;
  for (;;) {
    elements.push(parseValue(cursor, depth + 1));
    skipSpace(cursor);
    if (accept(cursor, "]")) return elements;
    if (!accept(cursor, ",")) throw unexpected(cursor, "a comma or ]");
  }
}

function skipSpace(cursor: Cursor): void {
  take(cursor, SPACE);
}

function accept(cursor: Cursor, character: string): boolean {
  if (cursor.text[cursor.position] !== character) return false;
  cursor.position++;
  return true;
}

function take(cursor: Cursor, token: RegExp): string | null {
  token.lastIndex = cursor.position;
  const found = token.exec(cursor.text)?.[0] ?? null;
  cursor.position += found?.length ?? 0;
  return found;
}

function unexpected(cursor: Cursor, wanted: string): FlannelError<"config.invalid"> {
  const found = cursor.text.codePointAt(cursor.position);
  // Compat: the Go decoder's words for a document cut short, which is what an empty key looks like.
  if (found === undefined) return invalid(cursor, `unexpected end of JSON input, expected ${wanted}`);
  return invalid(cursor, `not valid JSON: expected ${wanted} but found ${JSON.stringify(String.fromCodePoint(found))}`);
}

function invalid(cursor: Cursor, reason: string): FlannelError<"config.invalid"> {
  const lines = cursor.text.slice(0, cursor.position).split("\n");
  const at = `line ${lines.length}, column ${(lines.at(-1) ?? "").length + 1}`;
  return new FlannelError("config.invalid", { at, reason });
}
