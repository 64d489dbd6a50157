// Follows the network config while the daemon runs. What can be changed under running pods is; for the rest the old config
// stays in force and the operator is told. Whatever stands in etcd, the daemon goes on.

import type { Logger } from "./base/log.ts";
import { judgeChange, type Overlay } from "./overlay.ts";
import type { Lease } from "./subnet/lease.ts";
import type { LeaseStore } from "./subnet/lease-store.ts";

export interface ConfigFollower {
  /** What is in force. */
  overlay(): Overlay;
  /** Why that is not what etcd says, as a phrase; null when it is. */
  trouble(): string | null;
  run(signal: AbortSignal): Promise<void>;
}

export interface FollowConfigDeps {
  readonly store: LeaseStore;
  readonly log: Logger;
  readonly self: () => Lease;
  /** Another config is in force, or the trouble is another. */
  readonly onChange: () => void;
}

export function createConfigFollower(first: Overlay, key: string, deps: FollowConfigDeps): ConfigFollower {
  const { log, store } = deps;
  let overlay = first;
  let trouble: string | null = null;
  const take = (text: string | null) => {
    const change = judgeChange(overlay, text, key, deps.self().subnet);
    const before = trouble;
    trouble = null;
    switch (change.kind) {
      case "none":
        if (before !== null) log.info("the network config in etcd is again the one in force", { key });
        break;
      case "live":
        overlay = change.overlay;
        if (change.changed.length > 0)
          log.info("the network config has changed and is followed", { key, changed: change.changed.join(", ") });
        break;
      case "restart":
        trouble = `the network config in etcd has changed; restart flanneld to follow ${change.changed.join(", ")}`;
        log.warn("the network config has changed in what needs a restart; the old one stays in force until then", {
          key,
          changed: change.changed.join(", "),
        });
        break;
      case "unusable":
        trouble = `${change.reason}; the old one stays in force`;
        log.warn("the network config cannot be used; the old one stays in force", { key, reason: change.reason });
        break;
    }
    deps.onChange();
  };
  return {
    overlay: () => overlay,
    trouble: () => trouble,
    async run(signal) {
      for await (const text of store.watchNetworkConfig(signal)) take(text);
    },
  };
}
