// What a check says: a verdict, a sentence, and what mends it.

import { NO_REMEDY, type Remedy } from "../base/remedy.ts";

/** `skip`: it could not be looked at. */
export type CheckVerdict = "ok" | "warn" | "fail" | "skip";

export interface Finding extends Remedy {
  readonly verdict: CheckVerdict;
  /** One line, without a full stop. */
  readonly sentence: string;
}

export function ok(sentence: string): Finding {
  return { verdict: "ok", sentence, ...NO_REMEDY };
}

export function warn(sentence: string, { remedy, command }: Remedy): Finding {
  return { verdict: "warn", sentence, remedy, command };
}

export function fail(sentence: string, { remedy, command }: Remedy): Finding {
  return { verdict: "fail", sentence, remedy, command };
}

export function skip(sentence: string): Finding {
  return { verdict: "skip", sentence, ...NO_REMEDY };
}

/** "a, b and 3 more" */
export function some(names: readonly string[], most = 3): string {
  const left = names.length - most;
  return left > 0 ? `${names.slice(0, most).join(", ")} and ${left} more` : names.join(", ");
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
