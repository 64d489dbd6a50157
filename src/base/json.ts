// Reading parsed JSON with the path in every complaint, and with keys matched as the Go decoder matches them (ASCII
// case-insensitive, the last of several spellings wins): real clusters rely on both.
// Not a schema library: a reader per scalar type, for the few small objects that we are given. The text itself is
// parsed in json-text.ts.

import { FlannelError } from "./errors.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A JSON object ready to be read, and where it stands in its document ("$.Backend"). */
export interface JsonObject {
  readonly at: string;
  /** By ASCII-lower-case key. */
  readonly members: ReadonlyMap<string, { readonly key: string; readonly value: Json }>;
}

/** Throws `config.invalid` unless the value is an object. */
export function jsonObject(value: Json, at: string): JsonObject {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new FlannelError("config.invalid", { at, reason: `must be an object, but is ${excerpt(value)}` });
  }
  return { at, members: new Map(Object.entries(value).map(([key, value]) => [foldCase(key), { key, value }])) };
}

/** The member's value whatever it is; undefined when there is none. */
export function member(object: JsonObject, name: string): Json | undefined {
  return object.members.get(foldCase(name))?.value;
}

/** Absent and null mean the default (Compat: Go's decoder leaves a field alone that is null). Without `max`, no limit. */
export function integer<D extends number | null>(
  object: JsonObject,
  name: string,
  limits: { readonly min: number; readonly max?: number; readonly default: D },
): number | D {
  const value = member(object, name) ?? null;
  if (value === null) return limits.default;
  const { min, max = Number.MAX_SAFE_INTEGER } = limits;
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  const range = limits.max === undefined ? `of ${min} or more` : `between ${min} and ${max}`;
  throw invalidMember(object, name, `must be an integer ${range}, but is ${excerpt(value)}`);
}

/** Absent and null mean the default. */
export function boolean<D extends boolean | null>(object: JsonObject, name: string, fallback: D): boolean | D {
  const value = member(object, name) ?? null;
  if (value === null) return fallback;
  if (typeof value === "boolean") return value;
  throw invalidMember(object, name, `must be true or false, but is ${excerpt(value)}`);
}

/** Absent and null mean the default. */
export function string<D extends string | null>(object: JsonObject, name: string, fallback: D): string | D {
  const value = member(object, name) ?? null;
  if (value === null) return fallback;
  if (typeof value === "string") return value;
  throw invalidMember(object, name, `must be a string, but is ${excerpt(value)}`);
}

/** The error for a member that was read and does not make sense. */
export function invalidMember(object: JsonObject, name: string, reason: string): FlannelError<"config.invalid"> {
  return new FlannelError("config.invalid", { at: `${object.at}.${name}`, reason });
}

/** Paths of the members that nobody reads, as they are spelt in the document: most likely typing errors. */
export function unknownMembers(object: JsonObject, known: readonly string[]): readonly string[] {
  const expected = new Set(known.map(foldCase));
  return [...object.members].filter(([folded]) => !expected.has(folded)).map(([, { key }]) => `${object.at}.${key}`);
}

/** A value as it may stand in a sentence: JSON, shortened. */
export function excerpt(value: Json): string {
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

function foldCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
