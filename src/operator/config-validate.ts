// The command `config validate`: what the daemon would make of a network config, before any daemon has to.

import type { VerbCall } from "../cli/verbs.ts";
import { type Candidate, INVALID_CONFIG, printProblems, readCandidate } from "./candidate.ts";
import { type ConfigCheck, checkConfig } from "./check-config.ts";
import { requireConfig } from "./config-get.ts";
import { configJson, describeConfig, formatWarnings } from "./config-view.ts";
import { printJson, printLines, printPairs, printWarnings } from "./print.ts";
import { configKey, withStore } from "./session.ts";
import type { OperatorPorts, Screen } from "./verb.ts";

export async function validateConfig(call: VerbCall, ports: OperatorPorts, signal: AbortSignal): Promise<number> {
  const [word] = call.words;
  const { source, text } =
    word === undefined ? await readStored(call, ports, signal) : await readCandidate(word, ports, signal);
  const check = checkConfig(text);
  if (call.json) printJson(ports.out, { source, ...checkJson(check) });
  else if (check.kind === "valid") printVerdict(ports.out, source, check);
  else printProblems(ports.err, source, check.problems);
  return check.kind === "valid" ? 0 : INVALID_CONFIG;
}

async function readStored(call: VerbCall, ports: OperatorPorts, signal: AbortSignal): Promise<Candidate> {
  const key = configKey(call);
  const { text } = await withStore(call, ports, (store) => requireConfig(call, store, signal));
  return { source: `${key} in etcd`, text };
}

function printVerdict(out: Screen, source: string, check: Extract<ConfigCheck, { kind: "valid" }>): void {
  printLines(out, [`${source}: ${out.style.good("valid")}`]);
  printPairs(out, describeConfig(check));
  printWarnings(out, formatWarnings(check));
}

function checkJson(check: ConfigCheck) {
  return check.kind === "valid"
    ? { valid: true, effective: configJson(check), warnings: formatWarnings(check), problems: [] }
    : {
        valid: false,
        effective: null,
        warnings: [],
        problems: check.problems.map(({ at, reason }) => ({ at, reason })),
      };
}
