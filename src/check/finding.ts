// What a check says: a verdict, a sentence, and the command that mends it.

/** `skip`: it could not be looked at. */
export type CheckVerdict = "ok" | "warn" | "fail" | "skip";

export interface Finding {
  readonly verdict: CheckVerdict;
  /** One line, without a full stop. */
  readonly sentence: string;
  /** A command, or what to do where there is none. */
  readonly remedy: string | null;
}

export function ok(sentence: string): Finding {
  return { verdict: "ok", sentence, remedy: null };
}

export function warn(sentence: string, remedy: string): Finding {
  return { verdict: "warn", sentence, remedy };
}

export function fail(sentence: string, remedy: string): Finding {
  return { verdict: "fail", sentence, remedy };
}

export function skip(sentence: string): Finding {
  return { verdict: "skip", sentence, remedy: null };
}

/** "a, b and 3 more" */
export function some(names: readonly string[], most = 3): string {
  const left = names.length - most;
  return left > 0 ? `${names.slice(0, most).join(", ")} and ${left} more` : names.join(", ");
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
