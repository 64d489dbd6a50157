// Asks the hosts how they are, each when it is due, and remembers what they said. A host that does not answer is asked less
// and less often, and nothing is concluded from its silence.

import { type Millis, millis, seconds } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { mapInParallel } from "../base/tasks.ts";
import type { StatusEvent } from "../status/events.ts";
import type { PublicStatus } from "../status/report.ts";
import type { AskHost } from "./ask-host.ts";
import type { HostAnswer, Rate } from "./facts.ts";
import { MOST_ROWS } from "./reach.ts";
import { readEvents, readStatus } from "./read-answer.ts";

export interface HostBook {
  /** Asks those of these hosts that are due, and forgets all others. Resolves to how many were asked. */
  ask(publicIps: readonly string[], signal: AbortSignal): Promise<number>;
  /** By public IP. */
  answers(): ReadonlyMap<string, HostAnswer>;
}

export interface HostBookDeps {
  readonly askHost: AskHost;
  readonly clock: Clock;
  readonly random: Random;
  readonly prefix: string;
}

const AT_ONCE = 32;
const MOST_SILENCE: Millis = seconds(60);
const RATES_KEPT = 60;
const EVENTS_KEPT = 200;
/** Of a host that is new here: its past is not ours to tell in full. */
const FIRST_EVENTS = 50;

interface Entry extends HostAnswer {
  readonly due: number;
  /** Between the last two questions. */
  readonly wait: number;
}

const UNKNOWN: Entry = {
  status: null,
  heard: null,
  trouble: null,
  rates: [],
  events: [],
  due: 0,
  wait: 0,
};

/** Between two questions to a host that answers: more hosts, less often. */
export function askInterval(hosts: number): Millis {
  return millis(Math.min(15_000, Math.max(2000, hosts * 10)));
}

export function createHostBook(deps: HostBookDeps): HostBook {
  let entries: ReadonlyMap<string, Entry> = new Map();
  return {
    async ask(publicIps, signal) {
      const all = [...new Set(publicIps)];
      entries = new Map(all.map((ip) => [ip, entries.get(ip) ?? UNKNOWN]));
      const now = deps.clock.monotonic();
      const due = all.filter((ip) => (entries.get(ip)?.due ?? 0) <= now);
      const answered = await mapInParallel(
        shuffle(due, deps.random),
        AT_ONCE,
        async (ip, scope) => [ip, await askOne(ip, entries.get(ip) ?? UNKNOWN, all.length, deps, scope)] as const,
        signal,
      );
      entries = new Map([...entries, ...answered]);
      return answered.length;
    },
    answers: () => entries,
  };
}

/** So that the first of a list is not always the first. */
function shuffle(items: readonly string[], random: Random): readonly string[] {
  const order = items.map((item) => ({ item, key: random.integer(0, 2 ** 32) }));
  return order.sort((a, b) => a.key - b.key).map(({ item }) => item);
}

async function askOne(
  ip: string,
  before: Entry,
  hosts: number,
  deps: HostBookDeps,
  signal: AbortSignal,
): Promise<Entry> {
  const { clock, random, askHost } = deps;
  const interval = askInterval(hosts);
  try {
    const path = hosts <= MOST_ROWS ? "/status" : "/status?peers=troubled";
    const read = readStatus(await askHost(ip, path, signal), deps.prefix);
    if (read.kind === "other") throw new Error(read.reason);
    const { status } = read;
    const now = clock.monotonic();
    const isRestarted = before.status !== null && before.status.process.started !== status.process.started;
    return {
      status,
      heard: clock.now(),
      trouble: null,
      rates: nextRates(isRestarted ? { ...before, status: null } : before, status),
      events: await nextEvents(ip, { ...before, isRestarted }, status, deps, signal),
      ...nextQuestion(interval, now, random),
    };
  } catch (error) {
    signal.throwIfAborted();
    const wait = before.trouble === null ? interval : Math.min(MOST_SILENCE, before.wait * 2);
    return { ...before, trouble: messageOf(error), rates: [], ...nextQuestion(wait, clock.monotonic(), random) };
  }
}

/** With jitter, so that hosts are not asked in step. */
function nextQuestion(wait: number, now: Millis, random: Random): Pick<Entry, "due" | "wait"> {
  const spread = Math.floor(wait / 5);
  return { due: now + wait - random.integer(0, spread), wait };
}

/**
 * By the moments at which the host has counted: its answer may be one that it gave somebody else before. A counter that
 * went back is another device's.
 */
function nextRates(before: Entry, { device, at }: PublicStatus): readonly Rate[] {
  const last = before.status?.device;
  if (!device || !last || before.trouble !== null || device.name !== last.name) return [];
  if (at === before.status?.at) return before.rates;
  const passed = (Date.parse(at) - Date.parse(before.status?.at ?? "")) / 1000;
  const receiving = (device.traffic.receivedBytes - last.traffic.receivedBytes) / passed;
  const sending = (device.traffic.sentBytes - last.traffic.sentBytes) / passed;
  if (!(passed > 0) || receiving < 0 || sending < 0) return [];
  return [...before.rates, { receiving: Math.round(receiving), sending: Math.round(sending) }].slice(-RATES_KEPT);
}

async function nextEvents(
  ip: string,
  { events, isRestarted }: { readonly events: readonly StatusEvent[]; readonly isRestarted: boolean },
  status: PublicStatus,
  { askHost }: HostBookDeps,
  signal: AbortSignal,
): Promise<readonly StatusEvent[]> {
  const { recorded } = status.events;
  const last = isRestarted ? undefined : events.at(-1);
  const seen = last?.seq ?? Math.max(0, recorded - FIRST_EVENTS);
  if (!(recorded > seen)) return events;
  const more = readEvents(await askHost(ip, `/events?after=${seen}`, signal));
  return [...events, ...more].slice(-EVENTS_KEPT);
}
