// The command `config validate`: what the daemon would make of a network config, before any daemon has to.

import { exitStatusOf, FlannelError } from "../base/errors.ts";
import type { VerbCall } from "../cli/verbs.ts";
import { type ConfigCheck, type ConfigProblem, checkConfig } from "./check-config.ts";
import { requireConfig } from "./config-get.ts";
import { configJson, describeConfig, formatUnread } from "./config-view.ts";
import { printJson, printLines, printPairs, printWarnings, tell } from "./print.ts";
import { configKey, withStore } from "./session.ts";
import type { OperatorPorts, Screen } from "./verb.ts";

export async function validateConfig(call: VerbCall, ports: OperatorPorts, signal: AbortSignal): Promise<number> {
  const [word] = call.words;
  const { source, text } =
    word === undefined ? await readStored(call, ports, signal) : await readCandidate(word, ports);
  const check = checkConfig(text);
  if (call.json) printJson(ports.out, { source, ...checkJson(check) });
  else if (check.kind === "valid") printVerdict(ports.out, source, check);
  else printProblems(ports.err, source, check.problems);
  return check.kind === "valid" ? 0 : INVALID_CONFIG;
}

export const INVALID_CONFIG = exitStatusOf(new FlannelError("config.invalid", { at: "$", reason: "" }));

interface Candidate {
  /** Where it is from, for people. */
  readonly source: string;
  readonly text: string;
}

async function readStored(call: VerbCall, ports: OperatorPorts, signal: AbortSignal): Promise<Candidate> {
  const key = configKey(call);
  const { text } = await withStore(call, ports, (store) => requireConfig(key, store, signal));
  return { source: `${key} in etcd`, text };
}

/** The config itself, which begins with a brace (a file of such a name is ./{), or where it is to be read. */
export async function readCandidate(word: string, { readText }: OperatorPorts): Promise<Candidate> {
  if (word.trimStart().startsWith("{")) return { source: "the given config", text: word };
  return { source: word === "-" ? "standard input" : word, text: await readText(word) };
}

function printVerdict(out: Screen, source: string, check: Extract<ConfigCheck, { kind: "valid" }>): void {
  printLines(out, [`${source}: ${out.style.good("valid")}`]);
  printPairs(out, describeConfig(check));
  printWarnings(out, formatUnread(check));
}

/** A sentence for each. */
export function printProblems(err: Screen, source: string, problems: readonly ConfigProblem[]): void {
  for (const { at, reason } of problems) tell(err, `${source}: ${at}: ${reason}`);
}

function checkJson(check: ConfigCheck) {
  return check.kind === "valid"
    ? { valid: true, effective: configJson(check), warnings: formatUnread(check), problems: [] }
    : {
        valid: false,
        effective: null,
        warnings: [],
        problems: check.problems.map(({ at, reason }) => ({ at, reason })),
      };
}
