// What commands decide on: config and leases as they are now, with the proof that lets a write fail when they have
// changed meanwhile.

import type { LeaseList } from "../subnet/lease-store.ts";
import type { StoreView } from "../subnet/operator-store.ts";
import type { OperatorCalls } from "./session.ts";

export interface Look {
  readonly view: StoreView;
  readonly list: LeaseList;
}

/** How often a decision is taken anew when something came in between. More than once hardly ever happens. */
export const ATTEMPTS = 5;

/** The config is read first: what is written to it later makes the view not hold. */
export async function lookAtStore(store: OperatorCalls, signal: AbortSignal): Promise<Look> {
  const config = await store.config(signal);
  const list = await store.list(signal);
  return { view: { config, revision: list.revision }, list };
}
