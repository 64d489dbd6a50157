// Keeps the control socket where commands look for it: one that could not be had is tried for again, and one that
// somebody has deleted or replaced is made again. A daemon that cannot be asked does its work all the same, and says so.

import { seconds } from "./base/brand.ts";
import type { Clock } from "./base/clock.ts";
import { createComplaint } from "./base/complaint.ts";
import { isError, messageOf } from "./base/errors.ts";
import type { Logger } from "./base/log.ts";
import type { ControlServer } from "./control/server.ts";
import type { StatusBoard } from "./status-board.ts";

/** How often the socket is looked at. */
const LOOK_INTERVAL = seconds(15);

export interface KeepControlDeps {
  readonly open: () => Promise<ControlServer>;
  readonly board: Pick<StatusBoard, "degrade" | "announce">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Resolves after the first attempt, whatever comes of it. */
export async function keepControl(path: string, deps: KeepControlDeps): Promise<AsyncDisposable> {
  const { clock } = deps;
  const stop = new AbortController();
  const keeper = createKeeper(path, deps);
  await keeper.look();
  const looking = (async () => {
    for (;;) {
      await clock.sleep(LOOK_INTERVAL, stop.signal);
      await keeper.look();
    }
  })().catch(() => {});
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await looking;
      await keeper.close();
    },
  };
}

interface Keeper {
  /** Never rejects. */
  look(): Promise<void>;
  close(): Promise<void>;
}

function createKeeper(path: string, { open, board, clock, log }: KeepControlDeps): Keeper {
  const complaint = createComplaint(
    { raised: "nobody can ask this daemon for its status", settled: "this daemon can be asked for its status" },
    { clock, log },
  );
  let server: ControlServer | null = null;
  let trouble: string | null = null;
  const close = async () => {
    await server?.[Symbol.asyncDispose]();
    server = null;
  };
  const tell = (now: string | null) => {
    if (now === trouble) return;
    trouble = now;
    board.degrade("control-socket", () => trouble);
    board.announce();
  };
  return {
    close,
    async look() {
      if (await server?.isInPlace()) return;
      if (server) complaint.raise("somebody has deleted or replaced the socket", { path });
      try {
        await close();
        server = await open();
        complaint.settle();
        tell(null);
      } catch (error) {
        complaint.raise(isError(error, "listen.failed") ? error.info.reason : messageOf(error), { path });
        tell(messageOf(error));
      }
    },
  };
}
