// Where every part of the daemon says what keeps it from working. Readiness and systemd's STATUS= are read off here, so
// they cannot disagree.

import type { Readiness } from "./health.ts";

/** In the order in which a start gets them done. */
const TOPICS = ["config", "lease", "device", "subnet-file"] as const;
export type Topic = (typeof TOPICS)[number];

export interface StatusBoard {
  /** Sets what keeps the topic from being fine, or null. */
  set(topic: Topic, reason: string | null): void;
  /** From now on the topic is asked for whenever somebody looks. */
  watch(topic: Topic, reason: () => string | null): void;
  /** What is not as it should be although the host does its work: asked for whenever somebody looks. */
  degrade(name: string, reason: () => string | null): void;
  readiness(): Readiness;
}

export function createStatusBoard(notify: (state: string) => void): StatusBoard {
  const sources = new Map<Topic, () => string | null>(TOPICS.map((topic) => [topic, () => "not yet"]));
  const degraded = new Map<string, () => string | null>();
  let announced = "";
  const announce = () => {
    const [topic, source] = [...sources].find(([, reason]) => reason() !== null) ?? [];
    const status = topic && source ? `STATUS=waiting: ${topic}: ${source()}` : "STATUS=running";
    if (status !== announced) notify(status);
    announced = status;
  };
  return {
    set(topic, reason) {
      sources.set(topic, () => reason);
      announce();
    },
    watch: (topic, reason) => sources.set(topic, reason),
    degrade: (name, reason) => degraded.set(name, reason),
    readiness: () => ({ checks: checksOf(sources), degraded: checksOf(degraded) }),
  };
}

function checksOf(sources: ReadonlyMap<string, () => string | null>): Readiness["checks"] {
  return [...sources].map(([name, reason]) => ({ name, reason: reason() }));
}
