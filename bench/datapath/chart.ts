// The figures as an SVG that stands by itself: a row for each path, and three panels of bars. Pure.

import { type Measure, type PathResult, type Spread, summarise } from "./figures.ts";

interface Series {
  readonly label: string;
  readonly measure: Measure;
}

interface Panel {
  readonly title: string;
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
  /** A line from the lowest to the highest round. Percentiles say that themselves. */
  readonly spread: boolean;
}

const PANELS: readonly Panel[] = [
  {
    title: "TCP, Gbit/s",
    series: [
      { label: "one stream", measure: "tcpGigabitsPerSecond" },
      { label: "four streams", measure: "tcp4GigabitsPerSecond" },
    ],
    format: (value) => value.toFixed(value < 1 ? 2 : 1),
    spread: true,
  },
  {
    title: "UDP received, packets/s",
    series: [
      { label: "1,400 bytes", measure: "udp1400Received" },
      { label: "64 bytes", measure: "udp64Received" },
    ],
    format: (value) => Math.round(value).toLocaleString("en"),
    spread: true,
  },
  {
    title: "Round trip, µs",
    series: [
      { label: "p50", measure: "rttP50" },
      { label: "p90", measure: "rttP90" },
      { label: "p99", measure: "rttP99" },
    ],
    format: (value) => Math.round(value).toLocaleString("en"),
    spread: false,
  },
];

const MARGIN = 28;
const LABELS = 138;
const PANEL = 272;
const GAP = 26;
/** Right of the longest bar, for its value. */
const VALUES = 64;
const BAR = 11;
const BAR_STEP = 15;
const ROW = 3 * BAR_STEP + 15;
const TOP = 132;
const WIDTH = MARGIN + LABELS + PANELS.length * (PANEL + GAP) - GAP + MARGIN;

/** The background is its own, so that it can be read on a page of either colour, and follows the reader's wish. */
const STYLE = `
text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2933; }
.card { fill: #ffffff; stroke: #d5dbe1; }
.title { font-size: 18px; font-weight: 600; }
.panel, .path { font-size: 13px; font-weight: 600; }
.faint { fill: #5f6b76; }
.rule { stroke: #e6eaee; }
.axis { stroke: #b4bec8; }
.range { stroke: #1f2933; stroke-opacity: 0.55; }
.s0 { fill: #2563a8; }
.s1 { fill: #6fb1e0; }
.s2 { fill: #e09b3d; }
@media (prefers-color-scheme: dark) {
  text { fill: #e4e9ee; }
  .card { fill: #171c22; stroke: #333c46; }
  .faint { fill: #9aa6b2; }
  .rule { stroke: #2a323b; }
  .axis { stroke: #4a5561; }
  .range { stroke: #f2f5f8; stroke-opacity: 0.7; }
  .s0 { fill: #4a90d9; }
  .s1 { fill: #9fd0f0; }
}`;

export interface ChartText {
  readonly title: string;
  readonly subtitle: string;
}

export function drawChart(results: readonly PathResult[], { title, subtitle }: ChartText): string {
  const height = TOP + results.length * ROW + MARGIN;
  const rows = results.map((result, row) => drawRow(result, TOP + row * ROW));
  const panels = PANELS.map((panel, index) => drawPanel(panel, panelX(index), results));
  const size = `width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-labelledby="title">
<title id="title">${escapeXml(title)}</title>
<style>${STYLE}
</style>
<rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>
${text(MARGIN, 40, "title", title)}
${text(MARGIN, 62, "faint", subtitle)}
${[...rows, ...panels].join("\n")}
</svg>
`;
}

function panelX(index: number): number {
  return MARGIN + LABELS + index * (PANEL + GAP);
}

/** The path's name, and why there is nothing beside it. */
function drawRow({ path, trouble }: PathResult, y: number): string {
  const rule = `<line class="rule" x1="${MARGIN}" x2="${WIDTH - MARGIN}" y1="${y}" y2="${y}"/>`;
  const middle = y + ROW / 2 + 4;
  const why = trouble === null ? "" : text(MARGIN, middle + 16, "faint", trouble.kind);
  return `${rule}${text(MARGIN, middle, "path", path.name)}${why}`;
}

function drawPanel(panel: Panel, x: number, results: readonly PathResult[]): string {
  const { title, series } = panel;
  const rows = results.map((result) => series.map(({ measure }) => summarise(result, measure)));
  const longest = Math.max(0, ...rows.flat().map((value) => (value ? reachOf(value, panel) : 0)));
  const scale = longest > 0 ? (PANEL - VALUES) / longest : 0;
  const bottom = TOP + results.length * ROW;
  return [
    text(x, TOP - 34, "panel", title),
    ...drawLegend(series, x),
    ...rows.flatMap((values, row) => drawBars(values, panel, x, TOP + row * ROW, scale)),
    `<line class="axis" x1="${x}" x2="${x}" y1="${TOP}" y2="${bottom}"/>`,
  ].join("\n");
}

function reachOf({ median, high }: Spread, { spread }: Panel): number {
  return spread ? high : median;
}

/** Letters are some 6.5 wide; the next name begins after this one's. */
function drawLegend(series: readonly Series[], x: number): readonly string[] {
  let left = x;
  return series.map(({ label }, index) => {
    const at = left;
    left += 15 + label.length * 6.5 + 16;
    const swatch = `<rect class="s${index}" x="${at}" y="${TOP - 22}" width="10" height="10" rx="2"/>`;
    return `${swatch}${text(at + 15, TOP - 13, "faint", label)}`;
  });
}

function drawBars(
  values: readonly (Spread | null)[],
  panel: Panel,
  x: number,
  top: number,
  scale: number,
): readonly string[] {
  const first = top + (ROW - values.length * BAR_STEP + (BAR_STEP - BAR)) / 2;
  return values.flatMap((value, index) => {
    if (value === null) return [];
    const y = first + index * BAR_STEP;
    const bar = `<rect class="bar s${index}" x="${x}" y="${y}" width="${round(value.median * scale)}" height="${BAR}"/>`;
    const range = panel.spread && value.low !== value.high ? drawRange(value, x, y + BAR / 2, scale) : "";
    const end = x + reachOf(value, panel) * scale + 6;
    return [`${bar}${range}${text(round(end), y + BAR - 1, "value", panel.format(value.median))}`];
  });
}

function drawRange({ low, high }: Spread, x: number, y: number, scale: number): string {
  return `<line class="range" x1="${round(x + low * scale)}" x2="${round(x + high * scale)}" y1="${y}" y2="${y}"/>`;
}

function text(x: number, y: number, name: string, content: string): string {
  return `<text class="${name}" x="${x}" y="${y}">${escapeXml(content)}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escapeXml(content: string): string {
  const names: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&apos;",
  };
  return content.replace(/[&<>"']/g, (letter) => names[letter] ?? letter);
}
