// Nominal typing without run-time cost: a parsed value carries its meaning in its type, so inside the program
// equality is `===` and a wrong argument does not compile.

declare const brand: unique symbol;

export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** A duration in milliseconds. */
export type Millis = Brand<number, "Millis">;

/** A moment, in milliseconds since the Unix epoch. Never mixes with a duration. */
export type EpochMillis = Brand<number, "EpochMillis">;

export function millis(count: number): Millis {
  return count as Millis;
}

export function seconds(count: number): Millis {
  return (count * 1000) as Millis;
}

export function minutes(count: number): Millis {
  return (count * 60_000) as Millis;
}
