// How `check` writes its findings: a line each, the remedy below, and the cause at the end.

import type { Json } from "../base/json.ts";
import { formatRemedy } from "../base/remedy.ts";
import { escapeControls } from "../base/terminal-text.ts";
import { type Checked, type CheckOutcome, causeOf } from "../check/checks.ts";
import type { CheckVerdict } from "../check/finding.ts";
import type { Screen } from "./verb.ts";

const VERDICT_WIDTH = 4;

export function formatFindings(
  checked: readonly Checked[],
  outcome: CheckOutcome,
  { style }: Screen,
): readonly string[] {
  const width = Math.max(...checked.map(({ name }) => name.length));
  const paint: Readonly<Record<CheckVerdict, (text: string) => string>> = {
    ok: style.good,
    warn: style.bad,
    fail: style.bad,
    skip: style.faint,
  };
  const indent = " ".repeat(VERDICT_WIDTH + width + 4);
  const lines = checked.flatMap(({ name, verdict, sentence, ...how }) => {
    const remedy = formatRemedy(how);
    return [
      `${paint[verdict](verdict.padEnd(VERDICT_WIDTH))}  ${name.padEnd(width)}  ${escapeControls(sentence)}`,
      ...(remedy === null ? [] : [`${indent}${escapeControls(remedy)}`]),
    ];
  });
  return [...lines, formatCause(checked, outcome, style)];
}

function formatCause(checked: readonly Checked[], outcome: CheckOutcome, style: Screen["style"]): string {
  const cause = causeOf(checked);
  const skipped = checked.filter(({ verdict }) => verdict === "skip").length;
  const note = skipped === 0 ? "" : style.faint(` (${skipped} not looked at)`);
  if (cause === null) return `${style.good(outcome)}${note}`;
  return `${style.bad(outcome)}: ${cause.name}: ${escapeControls(cause.sentence)}${note}`;
}

export function findingsJson(checked: readonly Checked[], outcome: CheckOutcome): Json {
  return {
    outcome,
    cause: causeOf(checked)?.name ?? null,
    checks: checked.map(({ name, verdict, sentence, remedy, command }) => ({
      ...{ name, verdict, sentence },
      ...{ remedy, command },
    })),
  };
}
