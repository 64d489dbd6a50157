// Follows the network config while the daemon runs. What can be changed under running pods is; for the rest the old config
// stays in force and the operator is told. Whatever stands in etcd, the daemon goes on.
// A watch can lose an event without anybody noticing, so the config is read again at an interval. A watch that has told
// another one is not mended but begun anew: it begins with what there is.

import { drawPause } from "./base/backoff.ts";
import { type Millis, seconds } from "./base/brand.ts";
import type { Clock } from "./base/clock.ts";
import type { Logger } from "./base/log.ts";
import type { Random } from "./base/random.ts";
import { childSignal } from "./base/signals.ts";
import { runTasks } from "./base/tasks.ts";
import { type ConfigChange, judgeChange, type Overlay } from "./overlay.ts";
import { AWAY, unlessAway } from "./subnet/away.ts";
import type { Lease } from "./subnet/lease.ts";
import type { LeaseStore } from "./subnet/lease-store.ts";

export interface ConfigFollower {
  /** What is in force. */
  overlay(): Overlay;
  /** Why that is not what etcd says, as a phrase; null when it is. */
  trouble(): string | null;
  run(signal: AbortSignal): Promise<void>;
}

export interface FollowConfigOptions {
  /** Full etcd key, for people. */
  readonly key: string;
  /** How often it is read although the watch works; half of it at least. */
  readonly recheck: Millis;
}

export interface FollowConfigDeps {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly self: () => Lease;
  /** Another config is in force, or the trouble is another. */
  readonly onChange: () => void;
}

export function createConfigFollower(
  first: Overlay,
  { key, recheck }: FollowConfigOptions,
  deps: FollowConfigDeps,
): ConfigFollower {
  const judge = createJudge(first, key, deps);
  const watch = createConfigWatch(first.text, judge.take, deps);
  const recheckForEver = async (signal: AbortSignal) => {
    for (;;) {
      await deps.clock.sleep(drawPause(recheck, deps.random), signal);
      if (await hasMissed(watch, deps, signal)) {
        deps.log.warn("the watch had missed a change of the network config; it is begun anew", { key });
        watch.restart();
      }
    }
  };
  return {
    overlay: judge.overlay,
    trouble: judge.trouble,
    run: (signal) => runTasks({ watch: watch.run, recheck: recheckForEver }, signal),
  };
}

/** Makes of each config that there is what is in force, and what is told. */
function createJudge(
  first: Overlay,
  key: string,
  { log, self, onChange }: FollowConfigDeps,
): Pick<ConfigFollower, "overlay" | "trouble"> & { readonly take: (text: string | null) => void } {
  let overlay = first;
  let trouble: string | null = null;
  return {
    overlay: () => overlay,
    trouble: () => trouble,
    take(text) {
      const change = judgeChange(overlay, text, key, self().subnet);
      if (change.kind === "live") overlay = change.overlay;
      tell(change, trouble !== null, key, log);
      trouble = troubleOf(change);
      onChange();
    },
  };
}

function troubleOf(change: ConfigChange): string | null {
  switch (change.kind) {
    case "none":
    case "live":
      return null;
    case "restart":
      return `the network config in etcd has changed; restart flanneld to follow ${change.changed.join(", ")}`;
    case "unusable":
      return `${change.reason}; the old one stays in force`;
  }
}

function tell(change: ConfigChange, wasTrouble: boolean, key: string, log: Logger): void {
  switch (change.kind) {
    case "none":
      if (wasTrouble) log.info("the network config in etcd is again the one in force", { key });
      break;
    case "live":
      if (change.changed.length > 0)
        log.info("the network config has changed and is followed", { key, changed: change.changed.join(", ") });
      break;
    case "restart":
      log.warn("the network config has changed in what needs a restart; the old one stays in force until then", {
        key,
        changed: change.changed.join(", "),
      });
      break;
    case "unusable":
      log.warn("the network config cannot be used; the old one stays in force", { key, reason: change.reason });
      break;
  }
}

interface ConfigWatch {
  /** What it has told last, and how often it has told anything. */
  heard(): { readonly text: string | null; readonly times: number };
  restart(): void;
  run(signal: AbortSignal): Promise<void>;
}

/** `take` gets each text once, also when a new watch begins with one that is known. */
function createConfigWatch(
  first: string,
  take: (text: string | null) => void,
  { store }: FollowConfigDeps,
): ConfigWatch {
  let heard: ReturnType<ConfigWatch["heard"]> = { text: first, times: 0 };
  let restart = () => {};
  return {
    heard: () => heard,
    restart: () => restart(),
    async run(signal) {
      while (!signal.aborted) {
        using scope = childSignal(signal);
        restart = scope.abort;
        for await (const text of store.watchNetworkConfig(scope.signal)) {
          const isNews = text !== heard.text;
          heard = { text, times: heard.times + 1 };
          if (isNews) take(text);
        }
      }
    },
  };
}

/** Longer than a watch that has been cut off takes to connect again. */
const SLOWEST = seconds(60);

async function hasMissed(
  watch: ConfigWatch,
  { store, clock }: FollowConfigDeps,
  signal: AbortSignal,
): Promise<boolean> {
  const before = watch.heard();
  const text = await unlessAway(() => store.networkConfig(signal));
  if (text === AWAY || text === before.text) return false;
  await clock.sleep(SLOWEST, signal);
  return watch.heard().times === before.times;
}
