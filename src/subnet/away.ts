// For looks beside a watch: an etcd that is away is the watch's news, not theirs.

import { isRetryable } from "../base/errors.ts";

export const AWAY = Symbol("away");

export async function unlessAway<T>(ask: () => Promise<T>): Promise<T | typeof AWAY> {
  try {
    return await ask();
  } catch (error) {
    if (isRetryable(error)) return AWAY;
    throw error;
  }
}
