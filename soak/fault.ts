// What a fault is.

import type { Millis } from "../src/base/brand.ts";
import type { SoakHost, World } from "./world.ts";

export interface Fault {
  /** "etcd-killed", for --only and the report. */
  readonly name: string;
  /** For --list: what is done, and how it is undone. */
  readonly summary: string;
  /** The shortest and the longest time that it lasts before it is undone. */
  readonly lasts: readonly [Millis, Millis];
  /**
   * What it may cost: null for not one packet; else those that are sent from its beginning until this long after it was
   * undone.
   */
  readonly mayLose: (backend: string) => Millis | null;
  /** After it was undone, everything is as it was within this time. */
  readonly recovery: Millis;
  /** Of etcd, that it needs; one if not said. */
  readonly fewestMembers?: number;
  /** Does it, and returns how to undo it. */
  inject(world: World, victim: SoakHost, signal: AbortSignal): Promise<Undo>;
}

export type Undo = (signal: AbortSignal) => Promise<void>;

/** For what undoes itself, or what flanneld has to mend. */
export const nothing: Undo = async () => {};
