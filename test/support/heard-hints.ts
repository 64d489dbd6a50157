// What a kernel says while a suite runs: registers the hooks that listen before its first test and end after its last.

import { after, before } from "node:test";

export interface HeardHints<T> {
  /** Since the start, or since they were forgotten. */
  some(isIt: (hint: T) => boolean): boolean;
  forget(): void;
}

export function hearHints<T>(listen: (signal: AbortSignal) => AsyncIterable<T>): HeardHints<T> {
  const stop = new AbortController();
  let seen: T[] = [];
  let ended: Promise<void>;
  // Waiting for hints does not keep a process alive, on purpose.
  const alive = setInterval(() => {}, 1000);
  before(() => {
    const hints = listen(stop.signal);
    const read = async () => {
      for await (const hint of hints) seen.push(hint);
    };
    ended = read();
  });
  after(async () => {
    clearInterval(alive);
    stop.abort();
    await ended;
  });
  return {
    some: (isIt) => seen.some(isIt),
    forget() {
      seen = [];
    },
  };
}
