// What a person sees while the soak goes on: a line for what has happened, and on a terminal one that is written over for
// what is being done.

import { systemClock } from "../src/base/clock.ts";
import type { Style } from "../src/base/terminal-text.ts";

export interface Progress {
  /** With the time since the start. */
  say(line: string): void;
  /** Without it. */
  print(line: string): void;
  /** Until the next line; nothing where nobody watches. */
  show(line: string): void;
}

const CLEAR = "\r\u001b[K";

export function createProgress(stream: NodeJS.WriteStream, style: Style): Progress {
  const start = systemClock.monotonic();
  const stamp = () => {
    const elapsed = ((systemClock.monotonic() - start) / 1000).toFixed(1).padStart(6);
    return style.faint(`[${elapsed} s]`);
  };
  let isShown = false;
  const print = (line: string) => {
    stream.write(`${isShown ? CLEAR : ""}${line}\n`);
    isShown = false;
  };
  return {
    print,
    say: (line) => print(`${stamp()} ${line}`),
    show(line) {
      if (!stream.isTTY) return;
      // A longer one would leave its beginning behind.
      stream.write(`${CLEAR}${style.faint(line.slice(0, stream.columns - 1))}`);
      isShown = true;
    },
  };
}
