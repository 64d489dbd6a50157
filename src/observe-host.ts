// The watch over this host as a part of the daemon: what it judges by is the view that the last plan was made of, and what
// it finds is told by the board.

import { remedyOf } from "./base/remedy.ts";
import type { Options } from "./cli/options.ts";
import { type HostView, lookAtHost } from "./look-at-host.ts";
import type { Means } from "./means.ts";
import { createHostWatch, HOST_TOPICS, type HostWatch } from "./watch-host.ts";

export interface HostObserver extends Pick<HostWatch, "run"> {
  /** A plan is made of this now. */
  viewed(view: HostView): void;
}

export function observeHost({ etcd: { prefix } }: Options, means: Means): HostObserver {
  const { kernel, board, status } = means;
  let view: HostView | null = null;
  const watch = createHostWatch({
    ...means,
    async look(signal) {
      if (view === null) return null;
      // Loaded with the first look: a start needs neither.
      const [{ judgeHost }, sight] = await Promise.all([import("./check/running-checks.ts"), means.openHostSight()]);
      return judgeHost(await lookAtHost(view, { kernel, sight, prefix }, signal));
    },
    onChange: () => board.announce(),
  });
  for (const topic of HOST_TOPICS) {
    board.degrade(
      topic,
      () => watch.trouble(topic)?.sentence ?? null,
      () => remedyOf(watch.trouble(topic)),
    );
  }
  status.refreshBy(watch.refresh);
  return {
    viewed(next) {
      view = next;
    },
    run: watch.run,
  };
}
