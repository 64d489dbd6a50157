// Gives back memory that is free. The allocator keeps what a start, a full list or a look at the host has needed for a
// moment, which with thousands of peers is more than what stays in use; a daemon that is idle most of the time should
// look idle.

import { seconds } from "./base/brand.ts";
import type { Task } from "./base/tasks.ts";
import type { Ports } from "./ports.ts";

/** It takes less than a millisecond, and so does what is allocated anew afterwards. */
const INTERVAL = seconds(30);

export function releasing({ clock, releaseFreeMemory }: Pick<Ports, "clock" | "releaseFreeMemory">): Task {
  return async (signal) => {
    for (;;) {
      await clock.sleep(INTERVAL, signal);
      releaseFreeMemory();
    }
  };
}
