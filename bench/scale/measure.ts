// All parts of a run, one after the other.

import { messageOf } from "../../src/base/errors.ts";
import type { Progress } from "../command.ts";
import { measureBurst } from "./burst.ts";
import { measureChurn } from "./churn.ts";
import { FAN_OUTS, measureFanOut } from "./fan-out.ts";
import { count, type Figure, figuresOf, type Measured, type SectionName } from "./figures.ts";
import { measureJoin } from "./join.ts";
import type { ScaleOptions } from "./options.ts";
import { type Overlay, openOverlay } from "./overlay.ts";
import { measureStart } from "./start.ts";
import { measureSteady } from "./steady.ts";

interface Measurement {
  readonly section: SectionName;
  readonly scenario: string;
  readonly measure: (signal: AbortSignal) => Promise<readonly Measured[]>;
}

export interface ScaleRun {
  readonly figures: readonly Figure[];
  /** Measurements that could not be made; the others are there all the same. */
  readonly failures: number;
}

export async function measureSections(
  options: ScaleOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<ScaleRun> {
  const figures: Figure[] = [];
  let failures = 0;
  for (const { section, scenario, measure } of measurementsOf(options)) {
    if (!options.sections.includes(section)) continue;
    progress(`${section}: ${scenario}`);
    const measured = await measure(signal).catch((error: unknown) => {
      signal.throwIfAborted();
      progress(`${section}: ${scenario}: failed: ${messageOf(error)}`);
      return null;
    });
    if (measured === null) failures += 1;
    else figures.push(...figuresOf(section, scenario, measured));
  }
  return { figures, failures };
}

function measurementsOf(options: ScaleOptions): readonly Measurement[] {
  const { leases, bursts, present, rate, churn, joiners, watchers } = options;
  return [
    ...leases.map(
      (number): Measurement => ({
        section: "start",
        scenario: `${count(number)} leases`,
        measure: (signal) => onOverlay((overlay) => measureStart(number, options, overlay, signal), signal),
      }),
    ),
    ...bursts.map(
      (number): Measurement => ({
        section: "burst",
        scenario: `${count(number)} leases to ${count(present)}`,
        measure: (signal) => onOverlay((overlay) => measureBurst(number, options, overlay, signal), signal),
      }),
    ),
    {
      section: "churn",
      scenario: `${count(rate)} changes/s for ${churn} s`,
      measure: (signal) => onOverlay((overlay) => measureChurn(options, overlay, signal), signal),
    },
    ...joiners.map(
      (number): Measurement => ({
        section: "join",
        scenario: `${count(number)} daemons`,
        measure: (signal) => measureJoin(number, signal),
      }),
    ),
    {
      section: "steady",
      scenario: `${count(present)} leases`,
      measure: (signal) => measureSteady(options, signal),
    },
    ...FAN_OUTS.map(
      (way): Measurement => ({
        section: "proxy",
        scenario: `${count(watchers)} watchers, ${way}`,
        measure: (signal) => measureFanOut(way, options, signal),
      }),
    ),
  ];
}

async function onOverlay<T>(measure: (overlay: Overlay) => Promise<T>, signal: AbortSignal): Promise<T> {
  await using overlay = await openOverlay(signal);
  return await measure(overlay);
}
