// The model to each open page whenever it changes (server-sent events). A page is sent no more than it takes: while one
// message is on its way to it the next ones are skipped, and then it gets the newest. One that does not take what it was
// sent is let go: there is room for a few only, and a page asks again by itself.

/** What of a response is needed here. */
export interface StreamSink {
  /** False when nothing more should be written before "drain". */
  write(text: string): boolean;
  on(event: "drain" | "close", listener: () => void): unknown;
  destroy(): unknown;
}

interface SinkState {
  readonly isBlocked: boolean;
  readonly isBehind: boolean;
  /** Since it was blocked. */
  readonly beats: number;
}

const FREE: SinkState = { isBlocked: false, isBehind: false, beats: 0 };

/** With ten seconds between them a minute, in which a megabyte gets through 150 kbit/s. */
const MOST_BEATS_BLOCKED = 6;

export interface Streams {
  /** Sends the newest, and each further one until the sink closes. */
  add(sink: StreamSink): void;
  send(message: string): void;
  /** Says that the connection is alive, and ends it where too many of these found a message still on its way. */
  beat(): void;
  count(): number;
}

export function createStreams(): Streams {
  const sinks = new Map<StreamSink, SinkState>();
  let newest: string | null = null;
  const deliver = (sink: StreamSink, state: SinkState, message: string) => {
    if (state.isBlocked) sinks.set(sink, { ...state, isBehind: true });
    else sinks.set(sink, { ...FREE, isBlocked: !sink.write(`event: overlay\ndata: ${message}\n\n`) });
  };
  return {
    add(sink) {
      sinks.set(sink, FREE);
      sink.on("close", () => sinks.delete(sink));
      sink.on("drain", () => {
        const state = sinks.get(sink);
        if (!state) return;
        sinks.set(sink, FREE);
        if (state.isBehind && newest !== null) deliver(sink, FREE, newest);
      });
      if (newest !== null) deliver(sink, FREE, newest);
    },
    send(message) {
      newest = message;
      for (const [sink, state] of sinks) deliver(sink, state, message);
    },
    beat() {
      for (const [sink, state] of sinks) beatOne(sink, state, sinks);
    },
    count: () => sinks.size,
  };
}

function beatOne(sink: StreamSink, state: SinkState, sinks: Map<StreamSink, SinkState>): void {
  if (!state.isBlocked) {
    sink.write("event: beat\ndata: {}\n\n");
    return;
  }
  const beats = state.beats + 1;
  sinks.set(sink, { ...state, beats });
  if (beats >= MOST_BEATS_BLOCKED) sink.destroy();
}
