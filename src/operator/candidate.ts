// A network config that somebody has given to a command, and what is said when it is not valid.

import { exitStatusOf, FlannelError } from "../base/errors.ts";
import type { VerbCall } from "../cli/verbs.ts";
import type { ConfigProblem } from "./check-config.ts";
import { failureJson } from "./failure.ts";
import { printJson, tell } from "./print.ts";
import type { OperatorPorts, Screen } from "./verb.ts";

export const INVALID_CONFIG = exitStatusOf(new FlannelError("config.invalid", { at: "$", reason: "" }));

export interface Candidate {
  /** Where it is from, for people. */
  readonly source: string;
  readonly text: string;
}

/** The config itself, which begins with a brace (a file of such a name is ./{), or where it is to be read. */
export async function readCandidate(
  word: string,
  { readText }: OperatorPorts,
  signal: AbortSignal,
): Promise<Candidate> {
  if (word.trimStart().startsWith("{")) return { source: "the given config", text: word };
  return { source: word === "-" ? "standard input" : word, text: await readText(word, signal) };
}

/** Says why it is refused, and gives the exit status. */
export function refuseCandidate(
  source: string,
  problems: readonly ConfigProblem[],
  { json }: VerbCall,
  { out, err }: OperatorPorts,
): number {
  printProblems(err, source, problems);
  const [first] = problems;
  const error = new FlannelError("config.invalid", { at: `${source}: ${first?.at}`, reason: first?.reason ?? "" });
  if (json) printJson(out, failureJson(error, problems));
  return INVALID_CONFIG;
}

/** A sentence for each. */
export function printProblems(err: Screen, source: string, problems: readonly ConfigProblem[]): void {
  for (const { at, reason } of problems) tell(err, `${source}: ${at}: ${reason}`);
}
