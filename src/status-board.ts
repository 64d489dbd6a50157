// Where every part of the daemon says what keeps it from working. Readiness and systemd's STATUS= are read off here, so
// they cannot disagree.

import type { Backend } from "./backends/backend.ts";
import { NO_REMEDY, type Remedy } from "./base/remedy.ts";
import type { Readiness } from "./status/readiness.ts";
import { describeSubnet, type Lease } from "./subnet/lease.ts";

/** In the order in which a start gets them done. */
const TOPICS = ["config", "lease", "device", "subnet-file"] as const;
export type Topic = (typeof TOPICS)[number];

export interface StatusBoard {
  /** Sets what keeps the topic from being fine, or null. */
  set(topic: Topic, reason: string | null): void;
  /** From now on the topic is asked for whenever somebody looks. */
  watch(topic: Topic, reason: () => string | null): void;
  /** What is not as it should be although the host does its work: asked for whenever somebody looks. */
  degrade(name: string, reason: () => string | null, remedy?: () => Remedy): void;
  /** What is told while every topic is fine, in a few words. */
  describe(state: () => string): void;
  /** Tells systemd when what there is to say has changed; for whoever changes something that is only asked for. */
  announce(): void;
  readiness(): Readiness;
}

/** "10.5.52.0/24 by vxlan, 12 peers", and whatever else there is to note. */
export function describeState(
  { subnet }: Pick<Lease, "subnet">,
  { type }: Pick<Backend, "type">,
  peers: number,
  note: string | null,
): string {
  return `${describeSubnet(subnet)} by ${type}, ${peers} ${peers === 1 ? "peer" : "peers"}${note ? `, ${note}` : ""}`;
}

export function createStatusBoard(notify: (state: string) => void): StatusBoard {
  const sources = new Map<Topic, () => string | null>(TOPICS.map((topic) => [topic, () => "not yet"]));
  const degraded = new Map<string, Flaw>();
  let state = () => "running";
  let announced = "";
  const flaws = () => flawsOf(degraded).flatMap(({ name, reason }) => (reason === null ? [] : [`${name}: ${reason}`]));
  const announce = () => {
    const [topic, source] = [...sources].find(([, reason]) => reason() !== null) ?? [];
    const status =
      topic && source ? `STATUS=waiting: ${topic}: ${source()}` : `STATUS=${[state(), ...flaws()].join("; ")}`;
    if (status !== announced) notify(status);
    announced = status;
  };
  return {
    set(topic, reason) {
      sources.set(topic, () => reason);
      announce();
    },
    watch: (topic, reason) => sources.set(topic, reason),
    degrade: (name, reason, remedy = () => NO_REMEDY) => degraded.set(name, { reason, remedy }),
    readiness: () => ({ checks: checksOf(sources), degraded: flawsOf(degraded) }),
    describe: (describe) => {
      state = describe;
    },
    announce,
  };
}

interface Flaw {
  readonly reason: () => string | null;
  readonly remedy: () => Remedy;
}

function flawsOf(flaws: ReadonlyMap<string, Flaw>): Readiness["degraded"] {
  return [...flaws].map(([name, { reason, remedy }]) => ({ name, reason: reason(), ...remedy() }));
}

function checksOf(sources: ReadonlyMap<string, () => string | null>): Readiness["checks"] {
  return [...sources].map(([name, reason]) => ({ name, reason: reason() }));
}
