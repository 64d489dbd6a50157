// The command `check`: why flanneld cannot work here, or does not. It needs neither a running daemon nor etcd; what it
// cannot look at it says.

import { outcomeOf, runChecks } from "../check/checks.ts";
import type { VerbCall } from "../cli/verbs.ts";
import { findingsJson, formatFindings } from "./check-words.ts";
import { gatherFacts } from "./gather-facts.ts";
import { printJson, printLines } from "./print.ts";
import type { OperatorPorts } from "./verb.ts";

const STATUS = { fine: 0, degraded: 1, broken: 2 } as const;

export async function checkHost(call: VerbCall, ports: OperatorPorts, signal: AbortSignal): Promise<number> {
  const checked = runChecks(await gatherFacts(call, ports, signal));
  const outcome = outcomeOf(checked);
  if (call.json) printJson(ports.out, findingsJson(checked, outcome));
  else printLines(ports.out, formatFindings(checked, outcome, ports.out));
  return STATUS[outcome];
}
