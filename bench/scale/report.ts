// The figures for a person at a terminal: a table for each section, with a column for each scenario. Pure.

import type { Style } from "../../src/base/terminal-text.ts";
import { alignRight } from "../tables.ts";
import { type Figure, SECTIONS, type SectionName } from "./figures.ts";

const TITLES: Readonly<Record<SectionName, string>> = {
  start: "Start of a daemon with leases in etcd",
  burst: "Leases written at once, others present",
  churn: "Leases that come, go and change",
  join: "Daemons that join at the same moment",
  steady: "What a daemon asks of etcd when nothing happens",
  proxy: "One etcd and many watchers, directly and behind a grpc-proxy",
};

export function formatSections(figures: readonly Figure[], style: Style): readonly string[] {
  return SECTIONS.flatMap((section) => {
    const ours = figures.filter((figure) => figure.section === section);
    if (ours.length === 0) return [];
    const scenarios = [...new Set(ours.map(({ scenario }) => scenario))];
    const whats = [...new Set(ours.map(({ what }) => what))];
    const rows = whats.map((what) => [what, ...scenarios.map((scenario) => cell(ours, what, scenario))]);
    const [heading = "", ...body] = alignRight([["", ...scenarios], ...rows]);
    return ["", style.heading(TITLES[section]), style.faint(heading), ...body];
  });
}

function cell(figures: readonly Figure[], what: string, scenario: string): string {
  const found = figures.find((figure) => figure.what === what && figure.scenario === scenario);
  return found ? formatFigure(found.measured, found.unit) : "-";
}

/** Three digits, or all of the whole number; what could not be measured is "?". */
export function formatFigure(value: number, unit: string): string {
  if (!Number.isFinite(value)) return "?";
  const size = Math.abs(value);
  const places = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  const digits = { minimumFractionDigits: places, maximumFractionDigits: places };
  return `${value.toLocaleString("en", digits)} ${unit}`.trim();
}
