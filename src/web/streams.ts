// The model to each open page whenever it changes (server-sent events). A page is sent no more than it takes: while one
// message is on its way to it the next ones are skipped, and then it gets the newest.

/** What of a response is needed here. */
export interface StreamSink {
  /** False when nothing more should be written before "drain". */
  write(text: string): boolean;
  on(event: "drain" | "close", listener: () => void): unknown;
}

export interface Streams {
  /** Sends the newest, and each further one until the sink closes. */
  add(sink: StreamSink): void;
  send(message: string): void;
  /** Says that the connection is alive. */
  beat(): void;
  count(): number;
}

export function createStreams(): Streams {
  const sinks = new Map<StreamSink, { isBlocked: boolean; isBehind: boolean }>();
  let newest: string | null = null;
  const deliver = (sink: StreamSink, message: string) => {
    const state = sinks.get(sink);
    if (!state) return;
    if (state.isBlocked) {
      state.isBehind = true;
      return;
    }
    state.isBlocked = !sink.write(`event: overlay\ndata: ${message}\n\n`);
  };
  return {
    add(sink) {
      sinks.set(sink, { isBlocked: false, isBehind: false });
      sink.on("close", () => sinks.delete(sink));
      sink.on("drain", () => {
        const state = sinks.get(sink);
        if (!state) return;
        const { isBehind } = state;
        sinks.set(sink, { isBlocked: false, isBehind: false });
        if (isBehind && newest !== null) deliver(sink, newest);
      });
      if (newest !== null) deliver(sink, newest);
    },
    send(message) {
      newest = message;
      for (const sink of sinks.keys()) deliver(sink, message);
    },
    beat() {
      for (const [sink, { isBlocked }] of sinks) if (!isBlocked) sink.write("event: beat\ndata: {}\n\n");
    },
    count: () => sinks.size,
  };
}
