// Knows whether checksums that are left to the network card arrive intact: measures it when there are peers to ask, when
// the underlay is another, and at long intervals. What follows from it is the backend's plan. Once they are seen to arrive
// wrong, that stands for this underlay: the device leaves none to the card then, and to measure it again would cost the
// packets of the pods. What only the config had switched off is switched on again to be measured, once the config says so.

import { delays } from "../base/backoff.ts";
import { type Millis, millis, minutes, seconds } from "../base/brand.ts";
import { createDoorbell, waitAtMost } from "../base/doorbell.ts";
import { FlannelError, isError, messageOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { ChecksumDuty, ChecksumPath } from "../net/checksum-path.ts";
import type { KernelNet } from "../net/kernel-net.ts";
import type { Underlay } from "../net/underlay.ts";
import { type Finding, type MeasureDeps, measureChecksums } from "./measure.ts";

export interface ChecksumWatch {
  /** Where to measure from now on; null when it does not matter. */
  follow(duty: ChecksumDuty | null): void;
  /** What the device is to do through this underlay: see NetworkView. */
  offload(underlay: Underlay): boolean | null;
  /** What has been done about them, in a few words; null when nothing. */
  note(): string | null;
  /** What is known, for a report. */
  verdict(): Verdict["kind"];
  /** `deviceReady` resolves while the device is as planned. */
  run(deviceReady: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void>;
}

export interface ChecksumWatchDeps extends MeasureDeps {
  readonly kernel: Pick<KernelNet, "read">;
  readonly log: Logger;
  /** The verdict is another. */
  readonly onChange: () => void;
}

type Verdict =
  /** `reason` says why it could not be measured. */
  | { readonly kind: "unknown"; readonly reason: string | null }
  | Exclude<Finding, { readonly kind: "silent" }>
  /** The device leaves none to the card, and not because of us. */
  | { readonly kind: "off" };

/** What rings the bell. */
const PEERS = "peers";
const UNKNOWN: Verdict = { kind: "unknown", reason: null };
/** A peer that has just come is given this long to know us, too. */
const SETTLE = seconds(1);
/** Between two measurements, whatever happens. */
const PAUSE = seconds(5);
const FIRST_RETRY = seconds(10);
const LONGEST_RETRY = minutes(60);
const INTERVAL = minutes(6 * 60);
const LOOK_AGAIN = minutes(5);
/** A host whose peers are about to come up tells nobody that they do not answer yet. */
const TOLD_AFTER = 3;

const HINT =
  'the pods lose nothing but some speed; a newer kernel or driver may mend it. "Offload": "off" in Backend keeps it so without measuring, "on" measures nothing';

export function createChecksumWatch(deps: ChecksumWatchDeps): ChecksumWatch {
  const bell = createDoorbell();
  const knowledge = createKnowledge(deps);
  const { path, verdict } = knowledge;
  const isCorrupt = () => path() !== null && verdict().kind === "corrupt";
  return {
    follow(next) {
      if (knowledge.follow(next)) bell.ring(PEERS);
    },
    offload(underlay) {
      if (!isSameWay(path()?.underlay, underlay)) return null;
      return isCorrupt() ? false : knowledge.isOwed() || null;
    },
    note: () => (isCorrupt() ? "checksum offload off, since wrong checksums were seen" : null),
    verdict: () => verdict().kind,
    async run(deviceReady, signal) {
      let retries = newRetries(deps);
      await bell.wait(signal);
      for (;;) {
        await deps.clock.sleep(SETTLE, signal);
        await deviceReady(signal);
        const measured = path();
        if (measured && measured.peers.length > 0 && verdict().kind !== "corrupt") {
          knowledge.conclude(measured, await look(measured, knowledge, deps, signal));
          await deps.clock.sleep(PAUSE, signal);
        }
        const { kind } = verdict();
        const rest = kind === "unknown" ? retries.next().value : intervalAfter(kind, deps);
        const rung = await waitAtMost(rest, bell, deps.clock, signal);
        if (rung.has(PEERS) || kind !== "unknown") retries = newRetries(deps);
      }
    },
  };
}

interface Knowledge {
  path(): ChecksumPath | null;
  verdict(): Verdict;
  /** The config had switched the offload off, does not any more, and it has not been seen to be on since. */
  isOwed(): boolean;
  /** It has been. */
  settle(): void;
  /** Whether there is something to measure now that there was not before. */
  follow(next: ChecksumDuty | null): boolean;
  conclude(measured: ChecksumPath, next: Verdict): void;
}

function createKnowledge({ log, onChange }: Pick<ChecksumWatchDeps, "log" | "onChange">): Knowledge {
  let tell = createTeller(log);
  let duty: ChecksumDuty | null = null;
  let newest: ChecksumPath | null = null;
  let verdict = UNKNOWN;
  const debt = createDebt(onChange);
  const path = () => (duty === "off" ? null : duty);
  const forget = () => {
    verdict = UNKNOWN;
    tell = createTeller(log);
  };
  return {
    path,
    verdict: () => verdict,
    isOwed: debt.isOwed,
    settle: () => debt.owe(false),
    follow(next) {
      const [before, wasOff] = [newest, duty === "off"];
      duty = next;
      if (next === "off") {
        // Seen to arrive wrong, they are not measured again for that.
        if (verdict.kind !== "corrupt") forget();
        debt.owe(false);
        return false;
      }
      newest = next;
      if (!isSameWay(before?.underlay, next?.underlay)) forget();
      if (wasOff || next === null) debt.owe(next !== null && verdict.kind !== "corrupt");
      const matters = verdict.kind === "unknown" || before?.peers.length === 0;
      return next !== null && matters && hasNewPeers(wasOff ? null : before, next);
    },
    conclude(measured, next) {
      // It says nothing about an underlay that has come meanwhile.
      if (!isSameWay(path()?.underlay, measured.underlay)) return;
      const isOther = verdict.kind !== next.kind;
      verdict = next;
      tell(measured, verdict);
      if (isOther) onChange();
    },
  };
}

/** Whether the offload is to be switched on that only the config had switched off. */
function createDebt(onChange: () => void) {
  let isOwed = false;
  return {
    isOwed: () => isOwed,
    owe(owes: boolean) {
      if (owes === isOwed) return;
      isOwed = owes;
      onChange();
    },
  };
}

async function look(
  path: ChecksumPath,
  { isOwed, settle }: Pick<Knowledge, "isOwed" | "settle">,
  deps: ChecksumWatchDeps,
  signal: AbortSignal,
): Promise<Verdict> {
  try {
    const off = await isOff(path, deps, signal);
    if (off)
      return isOwed() ? { kind: "unknown", reason: `${path.device} is still without the offload` } : { kind: "off" };
    settle();
    const finding = await measureChecksums(path, deps, signal);
    if (finding.kind !== "silent") return finding;
    return { kind: "unknown", reason: `no peer answers on the overlay (asked: ${finding.asked})` };
  } catch (error) {
    if (signal.aborted || !isOfTheSystem(error)) throw error;
    return { kind: "unknown", reason: messageOf(error) };
  }
}

function isOfTheSystem(error: unknown): boolean {
  if (error instanceof FlannelError) return isError(error, "netlink.errno");
  return error instanceof Error && "code" in error && typeof error.code === "string";
}

async function isOff({ device }: ChecksumPath, { kernel }: ChecksumWatchDeps, signal: AbortSignal): Promise<boolean> {
  const snapshot = await kernel.read({ families: [], devices: [device], routeDevices: [], kinds: ["link"] }, signal);
  return snapshot.objects().some((link) => link.kind === "link" && link.type === "vxlan" && !link.checksumOffload);
}

/** The device is made anew for another interface or address, and then is as the kernel makes it. */
function isSameWay(a: Underlay | undefined, b: Underlay | undefined): boolean {
  return a !== undefined && b !== undefined && a.link === b.link && a.address === b.address;
}

function hasNewPeers(before: ChecksumPath | null, next: ChecksumPath): boolean {
  if (!before || !isSameWay(before.underlay, next.underlay)) return next.peers.length > 0;
  const known = new Set(before.peers.map(({ ip }) => ip));
  return next.peers.some(({ ip }) => !known.has(ip));
}

function newRetries({ random }: ChecksumWatchDeps): Generator<Millis, never> {
  return delays({ first: FIRST_RETRY, max: LONGEST_RETRY, random });
}

/** Each host draws its own time, from half of it on. */
function intervalAfter(kind: Verdict["kind"], { random }: ChecksumWatchDeps): Millis {
  if (kind === "off") return LOOK_AGAIN;
  return millis(random.integer(INTERVAL / 2, INTERVAL));
}

/** One line for each change of what is known. */
function createTeller(log: Logger): (path: ChecksumPath, verdict: Verdict) => void {
  let told = "";
  let unknowns = 0;
  return ({ device }, verdict) => {
    unknowns = verdict.kind === "unknown" ? unknowns + 1 : 0;
    if (verdict.kind === told || (verdict.kind === "unknown" && unknowns < TOLD_AFTER)) return;
    told = verdict.kind;
    const fields = { dev: device };
    switch (verdict.kind) {
      case "unknown":
        return log.info("cannot measure whether checksums left to the network card arrive intact", {
          ...fields,
          ...(verdict.reason && { reason: verdict.reason }),
        });
      case "intact":
        return log.info("checksums left to the network card arrive intact", fields);
      case "off":
        return log.info("the device leaves no checksums to the network card, and that is left alone", fields);
      case "corrupt":
        return log.warn("checksums left to the network card arrive wrong: the device leaves it none from now on", {
          ...fields,
          peer: verdict.peers.map(({ ip }) => ip).join(","),
          hint: HINT,
        });
    }
  };
}
