// Results of a run that nobody has made, for the tests of what is made of them.

import type { Figures, PathResult, Trouble } from "../../../bench/datapath/figures.ts";
import { type DataPath, planPaths } from "../../../bench/datapath/paths.ts";

const FIGURES: Figures = {
  tcpGigabitsPerSecond: 10,
  tcpRetransmits: 7,
  tcpCpuPerGigabit: 0.1,
  tcpDaemonCpuPerGigabit: 0.02,
  tcp4GigabitsPerSecond: 20,
  tcp4Retransmits: 1234,
  udp1400Sent: 80_000,
  udp1400Received: 70_000,
  udp1400LossPercent: 12.5,
  udp64Sent: 90_000,
  udp64Received: 90_000,
  udp64LossPercent: 0,
  rttMin: 10,
  rttP50: 20,
  rttP90: 30,
  rttP99: 40,
  rttMax: 50,
};

/** One round for each of `rounds`, in which only those figures are unusual. */
export function measured(name: string, ...rounds: readonly Partial<Figures>[]): PathResult {
  return { path: pathNamed(name), rounds: rounds.map((figures) => ({ ...FIGURES, ...figures })), trouble: null };
}

export function troubled(name: string, trouble: Trouble): PathResult {
  return { path: pathNamed(name), rounds: [null], trouble };
}

function pathNamed(name: string): DataPath {
  const path = planPaths(true, null).find((path) => path.name === name);
  if (!path) throw new Error(`there is no path ${name}`);
  return path;
}
