// Notifications of the kernel as an iteration: what a reader makes of them, without what was said twice. What nobody has
// fetched yet is kept, and what the kernel had no room for is told as "anything".

import { addAbortListener } from "node:events";
import { createDoorbell } from "../base/doorbell.ts";
import { isError } from "../base/errors.ts";
import type { NativeAddon } from "../native/native.ts";
import { refusedToTalk } from "./connection.ts";

export interface Multicast<T> {
  /** NETLINK_ROUTE when there is none. */
  readonly protocol?: number;
  readonly groups: readonly number[];
  /** In bytes; more than fits is told as `anything`. */
  readonly receiveBuffer: number;
  /** Of a datagram. May throw `netlink.malformed`. */
  readonly read: (messages: Buffer) => readonly T[];
  readonly anything: T;
  /** Equal keys are one hint. */
  readonly keyOf: (hint: T) => string;
}

/** Listens from this call on, until the signal aborts. Throws `netlink.errno` when the kernel has nothing to listen to. */
export function watchMulticast<T>(source: Multicast<T>, native: NativeAddon, signal: AbortSignal): AsyncIterable<T> {
  const bell = createDoorbell();
  const pending = new Map<string, T>();
  const listener = (messages: Buffer, overrun: boolean) => {
    const hints = overrun ? [source.anything] : readHints(source, messages);
    for (const hint of hints) pending.set(source.keyOf(hint), hint);
    if (hints.length > 0) bell.ring("hint");
  };
  const monitor = openMonitor(source, native, listener);
  const abort = addAbortListener(signal, () => monitor[Symbol.dispose]());
  const take = () => {
    const hints = [...pending.values()];
    pending.clear();
    return hints;
  };
  const close = () => {
    abort[Symbol.dispose]();
    monitor[Symbol.dispose]();
  };
  return hintsUntilAborted(bell.wait, take, close, signal);
}

/** What cannot be read may be about anything. */
export function readHints<T>(
  { read, anything }: Pick<Multicast<T>, "read" | "anything">,
  messages: Buffer,
): readonly T[] {
  try {
    return read(messages);
  } catch (error) {
    if (isError(error, "netlink.malformed")) return [anything];
    throw error;
  }
}

function openMonitor<T>(
  { groups, receiveBuffer, protocol }: Multicast<T>,
  native: NativeAddon,
  listener: (messages: Buffer, overrun: boolean) => void,
): Disposable {
  try {
    return native.openNetlinkMonitor(groups, receiveBuffer, listener, protocol);
  } catch (error) {
    throw refusedToTalk(error);
  }
}

async function* hintsUntilAborted<T>(
  wait: (signal: AbortSignal) => Promise<unknown>,
  take: () => readonly T[],
  close: () => void,
  signal: AbortSignal,
): AsyncGenerator<T, void> {
  try {
    while (!signal.aborted) {
      await wait(signal);
      yield* take();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    close();
  }
}
