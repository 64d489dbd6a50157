// The figures for a person at a terminal of 120 columns. Pure: results in, lines out.

import type { Style } from "../../src/base/terminal-text.ts";
import { alignRight, wrap } from "../tables.ts";
import {
  type Figures,
  findResult,
  type Measure,
  type PathResult,
  ratioOf,
  type Spread,
  summarise,
  type Trouble,
} from "./figures.ts";
import { REFERENCE } from "./paths.ts";

/** Tells a cell from the results of all paths and of the row's own. */
interface Column {
  readonly heading: string;
  readonly cell: (result: PathResult, reference: PathResult | null) => string;
}

interface Section {
  readonly title: string;
  readonly columns: readonly Column[];
}

const count = (value: number) => Math.round(value).toLocaleString("en");
const digits = (places: number) => (value: number) => value.toFixed(places);

function median(heading: string, measure: Measure, format: (value: number) => string): Column {
  const show = (spread: Spread | null) => (spread === null ? "-" : format(spread.median));
  return { heading, cell: (result) => show(summarise(result, measure)) };
}

function range(measure: Measure, format: (value: number) => string): Column {
  const show = (spread: Spread | null) =>
    spread === null || spread.low === spread.high ? "" : `${format(spread.low)} to ${format(spread.high)}`;
  return { heading: "spread", cell: (result) => show(summarise(result, measure)) };
}

function ratio(measure: Measure): Column {
  const show = (spread: Spread, rounds: number) =>
    `${digits(2)(spread.median)}${rounds > 1 ? ` ±${digits(2)(halfOf(spread))}` : ""}`;
  return {
    heading: `to ${REFERENCE}`,
    cell: (result, reference) => {
      const spread = ratioOf(result, reference, measure);
      return spread === null || result === reference ? "" : show(spread, result.rounds.length);
    },
  };
}

/** How far the farthest round is from the median. */
function halfOf({ median, low, high }: Spread): number {
  return Math.max(median - low, high - median);
}

function tcp(speed: Measure, retransmits: Measure, streams: string): readonly Column[] {
  return [
    median(streams, speed, digits(2)),
    range(speed, digits(1)),
    ratio(speed),
    median("resent", retransmits, count),
  ];
}

function udp(sent: Measure, received: Measure, loss: Measure): readonly Column[] {
  return [
    median("received/s", received, count),
    range(received, count),
    ratio(received),
    median("sent/s", sent, count),
    median("lost %", loss, digits(1)),
  ];
}

const SECTIONS: readonly Section[] = [
  {
    title: "TCP, Gbit/s",
    columns: [
      ...tcp("tcpGigabitsPerSecond", "tcpRetransmits", "1 stream"),
      ...tcp("tcp4GigabitsPerSecond", "tcp4Retransmits", "4 streams"),
    ],
  },
  {
    title: "UDP with 1,400 bytes of payload, packets/s",
    columns: udp("udp1400Sent", "udp1400Received", "udp1400LossPercent"),
  },
  { title: "UDP with 64 bytes of payload, packets/s", columns: udp("udp64Sent", "udp64Received", "udp64LossPercent") },
  {
    title: "Round trip, µs",
    columns: [
      median("min", "rttMin", count),
      median("p50", "rttP50", count),
      range("rttP50", count),
      ratio("rttP50"),
      median("p90", "rttP90", count),
      median("p99", "rttP99", count),
      median("max", "rttMax", count),
    ],
  },
  {
    title: "Processor seconds for each gigabit of one TCP stream",
    columns: [
      median("machine", "tcpCpuPerGigabit", digits(3)),
      range("tcpCpuPerGigabit", digits(3)),
      ratio("tcpCpuPerGigabit"),
      median("daemons", "tcpDaemonCpuPerGigabit", digits(3)),
    ],
  },
];

/** Medians of the rounds, and the medians of each round's ratio to vxlan with the farthest round's distance. */
export function formatFigures(results: readonly PathResult[], style: Style): readonly string[] {
  const measured = results.filter(({ rounds }) => rounds.some((figures) => figures !== null));
  const reference = findResult(results, REFERENCE);
  const lines = SECTIONS.flatMap(({ title, columns }) => {
    const rows = measured.map((result) => [result.path.name, ...columns.map(({ cell }) => cell(result, reference))]);
    const [heading = "", ...body] = alignRight([["", ...columns.map((column) => column.heading)], ...rows]);
    return ["", style.heading(title), style.faint(heading), ...body];
  });
  return [...(measured.length > 0 ? lines : []), ...formatTroubles(results, style)];
}

function formatTroubles(results: readonly PathResult[], style: Style): readonly string[] {
  const lines = results.flatMap(({ path, trouble }) =>
    trouble ? wrap(`${path.name}: ${formatTrouble(trouble)}`, 2) : [],
  );
  return lines.length === 0 ? [] : ["", style.heading("Not measured"), ...lines];
}

export function formatTrouble(trouble: Trouble): string {
  return `${trouble.kind}: ${trouble.reason}`;
}

/** One path in one round, in half a line. */
export function formatRound(figures: Figures): string {
  const { tcpGigabitsPerSecond: one, tcp4GigabitsPerSecond: four } = figures;
  const { udp1400Received: large, udp64Received: small, rttP50 } = figures;
  return (
    `TCP ${one.toFixed(2)} and ${four.toFixed(2)} Gbit/s, ` +
    `UDP ${count(large)} and ${count(small)} packets/s, RTT ${count(rttP50)} µs`
  );
}
