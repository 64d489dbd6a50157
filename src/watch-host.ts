// Looks at what others decide on this host and what keeps packets of the overlay from their way: firewall rules of
// theirs, rp_filter, a route by another interface. Nothing tells us when that changes, and a look costs some processes:
// so it is looked at when somebody asks for the status, and else rarely, and in the long run for no more than a twentieth
// of the time.

import { type Millis, millis, minutes, seconds } from "./base/brand.ts";
import type { Clock } from "./base/clock.ts";
import { type Complaint, createComplaint } from "./base/complaint.ts";
import { createDoorbell, waitAtMost } from "./base/doorbell.ts";
import type { Logger } from "./base/log.ts";
import { DeadlineExceeded, withDeadline } from "./base/signals.ts";
import type { Task } from "./base/tasks.ts";
import { createWaiters } from "./base/waiters.ts";
import type { HostJudgement, HostTopic, HostTrouble } from "./check/running-checks.ts";

type HostTroubles = HostJudgement["troubles"];

export interface HostWatch {
  /** As of the last look that could tell; null when it is fine, or was never looked at. */
  trouble(topic: HostTopic): HostTrouble | null;
  /** Resolves when what is told is of now; also when a look takes long, or looks have taken long of late. Never rejects. */
  refresh(): Promise<void>;
  run: Task;
}

export interface HostWatchDeps {
  /** How it is now; null while there is nothing to judge by. */
  readonly look: (signal: AbortSignal) => Promise<HostJudgement | null>;
  /** There is another trouble, or one less. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export const HOST_TOPICS: readonly HostTopic[] = ["interface", "forward-rules", "input-rules", "rp-filter"];

/** Docker, CNI plugins and firewalls start beside us and are not done at once: what is wrong now is told by the next look. */
const FIRST = seconds(20);
const INTERVAL = minutes(10);
/** While something is wrong: somebody may be mending it. */
const TROUBLED = seconds(20);
/** A look that has taken a second stands for twenty of the time, however often somebody asks. */
const SHARE = 20;
/** That far looks may be ahead of the time for which they stand: whoever pastes what mends it asks again at once. */
const AHEAD = seconds(20);
/** How long whoever asks waits for a look. */
const PATIENCE = seconds(1);

export function createHostWatch(deps: HostWatchDeps): HostWatch {
  const { clock } = deps;
  const bell = createDoorbell();
  const waiters = createWaiters();
  const findings = createFindings(deps);
  let looks = 0;
  let running = false;
  let pause = millis(0);
  /** For which the looks so far stand. */
  let paidUntil = Number.NEGATIVE_INFINITY;
  const lookOnce = async (signal: AbortSignal): Promise<Millis> => {
    const started = clock.monotonic();
    await findings.look(signal);
    const ended = clock.monotonic();
    pause = millis((ended - started) * SHARE);
    paidUntil = Math.max(paidUntil, ended) + pause;
    looks += 1;
    // Whoever has asked during the look is answered by it.
    bell.silence();
    waiters.check();
    return millis(Math.max(pause, findings.troubles().size > 0 ? TROUBLED : INTERVAL));
  };
  return {
    trouble: (topic) => findings.troubles().get(topic) ?? null,
    async refresh() {
      if (!running || paidUntil + pause - clock.monotonic() > Math.max(AHEAD, pause)) return;
      const before = looks;
      bell.ring("asked");
      await patiently(clock, (scope) => waiters.until(() => looks > before, scope));
    },
    async run(signal) {
      running = true;
      try {
        for (let rest = FIRST; ; rest = await lookOnce(signal)) await waitAtMost(rest, bell, clock, signal);
      } finally {
        running = false;
      }
    },
  };
}

/** Resolves when it is done, or has taken too long. */
async function patiently(clock: Clock, wait: (signal: AbortSignal) => Promise<void>): Promise<void> {
  try {
    await withDeadline(PATIENCE, clock, new AbortController().signal, wait);
  } catch (error) {
    if (!(error instanceof DeadlineExceeded)) throw error;
  }
}

interface Findings {
  /** As of the last look that could tell. */
  troubles(): HostTroubles;
  /** Looks once, and tells what has changed. */
  look(signal: AbortSignal): Promise<void>;
}

function createFindings({ look, onChange, clock, log }: HostWatchDeps): Findings {
  const tell = createTeller({ clock, log });
  let found: HostTroubles = new Map();
  return {
    troubles: () => found,
    async look(signal) {
      const judged = await look(signal);
      if (!judged) return;
      const before = found;
      found = withUnknown(judged, before);
      tell(judged, before);
      if (HOST_TOPICS.some((topic) => found.get(topic)?.sentence !== before.get(topic)?.sentence)) onChange();
    },
  };
}

/** What could not be looked at is as it was. */
function withUnknown({ troubles, unknown }: HostJudgement, before: HostTroubles): HostTroubles {
  return new Map([...[...before].filter(([topic]) => unknown.has(topic)), ...troubles]);
}

const TEXTS: Readonly<Record<HostTopic, { readonly raised: string; readonly settled: string }>> = {
  interface: {
    raised: "this host does not send to its peers by the interface that flanneld uses",
    settled: "this host sends to its peers by the interface that flanneld uses",
  },
  "forward-rules": {
    raised: "firewall rules of others drop what this host forwards for the overlay",
    settled: "firewall rules of others let through what this host forwards for the overlay",
  },
  "input-rules": {
    raised: "firewall rules of others drop the overlay's packets to this host",
    settled: "firewall rules of others let in the overlay's packets",
  },
  "rp-filter": {
    raised: "rp_filter drops the overlay's packets on this host",
    settled: "rp_filter lets in the overlay's packets",
  },
};

/**
 * Logged when two looks in a row that could tell have found it: whoever reloads a firewall is seen in the middle of it.
 */
function createTeller(
  deps: Pick<HostWatchDeps, "clock" | "log">,
): (judged: HostJudgement, before: HostTroubles) => void {
  const complaints = new Map<HostTopic, Complaint>(
    HOST_TOPICS.map((topic) => [topic, createComplaint(TEXTS[topic], deps)]),
  );
  return ({ troubles, unknown }, before) => {
    for (const [topic, complaint] of complaints) {
      if (unknown.has(topic)) continue;
      const trouble = troubles.get(topic);
      if (!trouble) complaint.settle();
      else if (before.has(topic)) complaint.raise(trouble.sentence, { hint: trouble.remedy ?? "" });
    }
  };
}
