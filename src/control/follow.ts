// Events to somebody who follows them, a line of JSON each. He is sent no more than he takes: what comes meanwhile waits
// in the ring, and if it has left that before he took it, he is too slow and is let go.

import type { EventRing } from "../status/events.ts";

/** What of a response is needed here. */
export interface LineSink {
  /** False when nothing more should be written before "drain". */
  write(text: string): boolean;
  on(event: "drain" | "close", listener: () => void): unknown;
  destroy(): void;
}

/** Until the sink is closed. */
export function followEvents(after: number, events: EventRing, sink: LineSink): void {
  let seen = after;
  let isBlocked = false;
  const pump = () => {
    if (isBlocked) return;
    for (const event of events.after(seen)) {
      // Of the past nobody has promised him all.
      if (seen > after && event.seq > seen + 1) return sink.destroy();
      seen = event.seq;
      isBlocked = !sink.write(`${JSON.stringify(event)}\n`);
      if (isBlocked) return;
    }
  };
  const listening = events.onEvent(pump);
  sink.on("close", () => listening[Symbol.dispose]());
  sink.on("drain", () => {
    isBlocked = false;
    pump();
  });
  pump();
}
