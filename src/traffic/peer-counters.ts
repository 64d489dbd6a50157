// Keeps the table as it shall be: follows the peers, and looks at it again when the kernel says that somebody has changed
// it. The counters are read when somebody asks, and never otherwise. No packet depends on any of it.

import { delays } from "../base/backoff.ts";
import { type Millis, millis, minutes, seconds } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { createComplaint } from "../base/complaint.ts";
import { createDoorbell, type Doorbell, TIMER, waitAtMost } from "../base/doorbell.ts";
import { isError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { shareAnswers } from "../base/share-answers.ts";
import { withDeadline } from "../base/signals.ts";
import { runTasks } from "../base/tasks.ts";
import { hearRules, type RuleListener, type WatchRules } from "../firewall/hints.ts";
import type { Counted } from "./counted.ts";
import type { NftTable } from "./nft-table.ts";
import { planTraffic } from "./plan.ts";
import { createSettler } from "./settle.ts";
import type { TrafficBySubnet } from "./table.ts";

export interface PeerCounters {
  /** This is counted from now on. */
  follow(counted: Counted): void;
  /**
   * Empty while nothing is counted. Throws `firewall.failed`, `firewall.missing`, and DeadlineExceeded when it takes long.
   */
  read(): Promise<TrafficBySubnet>;
  /** Why nothing is counted, or not all; null when it is. */
  trouble(): string | null;
  run(signal: AbortSignal): Promise<void>;
}

export interface PeerCountersDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly watchRules: WatchRules;
  /** The trouble is another. */
  readonly onChange: () => void;
}

const RETRY = { first: millis(1000), max: minutes(5) };
/** Changes that come together are one: in this time there is one look at most, and nft runs five times at most. */
const PAUSE = millis(500);
/** Between two looks where changes are not announced; where they are, one might be missed. */
const SWEEP = { deaf: minutes(1), hearing: minutes(60) };
/** Whoever asks shall get the rest of the answer. */
const READ_LIMIT = seconds(2);

/** `table` is the name. */
export function createPeerCounters(table: string, nft: NftTable, deps: PeerCountersDeps): PeerCounters {
  const bell = createDoorbell();
  const settle = createSettler(table, nft, deps);
  const trouble = createTrouble(deps);
  let want: Counted | null = null;
  let sweep = SWEEP.deaf;
  let running: AbortSignal | null = null;
  const look = async (isUnsure: boolean, signal: AbortSignal) => {
    const counted = want;
    if (counted !== null) trouble.set(await reasonOf(() => settle(counted, isUnsure, signal)));
    return trouble.get() === null;
  };
  const keep = (signal: AbortSignal) => keepLooking(look, () => sweep, bell, deps, signal);
  const ears: RuleListener = {
    onListening() {
      sweep = SWEEP.hearing;
    },
    onHint: (hint) => (hint.table === null || hint.table === table) && bell.ring("hint"),
    onDeaf: (reason) => deps.log.debug("changes of what counts traffic are seen at the next look only", { reason }),
  };
  const hear = (signal: AbortSignal) => hearRules(deps.watchRules, ears, signal);
  const read = shareAnswers<void, TrafficBySubnet>(
    async () => (running && want ? await withDeadline(READ_LIMIT, deps.clock, running, count) : new Map()),
    deps.clock,
  );
  const count = async (signal: AbortSignal) => {
    const listed = await nft.read(signal);
    // Found by the way: a change that nobody has announced.
    if (want && (!listed?.isCounting || planTraffic(table, want, listed).script !== "")) bell.ring("hint");
    return listed?.traffic ?? new Map();
  };
  return {
    follow(counted) {
      want = counted;
      bell.ring("follow");
    },
    read,
    trouble: trouble.get,
    run(signal) {
      running = signal;
      return runTasks({ keep, hear }, signal);
    },
  };
}

/** Resolves with whether it is as it shall be now. `isUnsure`: somebody may have changed it. */
type Look = (isUnsure: boolean, signal: AbortSignal) => Promise<boolean>;

/**
 * Looks when the bell rings, and at the latest after `sweep`. What failed is tried again at growing intervals, whatever
 * rings. Kernel: what we change is announced, too, so that a hint would have us try for ever without a pause.
 */
async function keepLooking(
  look: Look,
  sweep: () => Millis,
  bell: Doorbell,
  { clock, random }: PeerCountersDeps,
  signal: AbortSignal,
): Promise<void> {
  let retry: Generator<Millis, never> | null = null;
  for (;;) {
    const rung: ReadonlySet<string> | null = retry ? null : await waitAtMost(sweep(), bell, clock, signal);
    const isUnsure: boolean = rung === null || rung.has("hint") || rung.has(TIMER);
    await clock.sleep(retry?.next().value ?? PAUSE, signal);
    // Whatever has rung since: it is read now.
    if (isUnsure) bell.silence();
    retry = (await look(isUnsure, signal)) ? null : (retry ?? delays({ ...RETRY, random }));
  }
}

function createTrouble({ onChange, ...deps }: PeerCountersDeps) {
  const complaint = createComplaint(
    { raised: "cannot count traffic by peer", settled: "traffic is counted by peer again" },
    deps,
  );
  let trouble: string | null = null;
  return {
    get: () => trouble,
    set(reason: string | null) {
      if (reason === null) complaint.settle();
      else complaint.raise(reason);
      const isNew = reason !== trouble;
      trouble = reason;
      if (isNew) onChange();
    },
  };
}

async function reasonOf(work: () => Promise<void>): Promise<string | null> {
  try {
    await work();
    return null;
  } catch (error) {
    if (isError(error, "firewall.failed") || isError(error, "firewall.missing")) return error.message;
    throw error;
  }
}
