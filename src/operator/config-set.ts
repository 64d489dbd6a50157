// The command `config set`: writes a network config that the daemons accept, over the one that it has looked at.

import { exitStatusOf, FlannelError } from "../base/errors.ts";
import { isOn, type VerbCall } from "../cli/verbs.ts";
import type { Lease } from "../subnet/lease.ts";
import type { ConfigRecord } from "../subnet/operator-store.ts";
import { readCandidate, refuseCandidate } from "./candidate.ts";
import { checkConfig, type ValidConfig } from "./check-config.ts";
import {
  diffConfigs,
  excludedLeases,
  hostsOf,
  type MemberChange,
  notesOn,
  type Restarts,
  restartsFor,
} from "./config-change.ts";
import { configJson, describeConfig, formatValue, formatWarnings } from "./config-view.ts";
import { CONSEQUENCE, describeExcluded, excludedJson, printExcluded } from "./excluded-leases.ts";
import { failureJson } from "./failure.ts";
import { ATTEMPTS, type Look, lookAtStore } from "./look.ts";
import { printJson, printLines, printPairs, printTable, printWarnings, tell } from "./print.ts";
import { configKey, type OperatorCalls, withStore } from "./session.ts";
import type { OperatorPorts, Screen } from "./verb.ts";

export async function setConfig(call: VerbCall, ports: OperatorPorts, signal: AbortSignal): Promise<number> {
  const { source, text: untrimmed } = await readCandidate(call.words[0] ?? "", ports, signal);
  const text = untrimmed.trim();
  const check = checkConfig(text);
  if (check.kind === "invalid") return refuseCandidate(source, check.problems, call, ports);
  const outcome = await withStore(call, ports, (store) => replaceConfig({ text, check }, call, store, signal));
  if (outcome.kind === "refused") return refuse(outcome.excluded, check, call, ports);
  report(outcome, check, call, ports);
  return 0;
}

function refuse(
  excluded: readonly Lease[],
  { network }: ValidConfig,
  { json }: VerbCall,
  { out, err }: OperatorPorts,
): number {
  const hint = "--force writes it nevertheless";
  const error = new FlannelError("request.refused", {
    reason: `nothing was written: ${describeExcluded(excluded)}`,
    hint,
  });
  tell(err, `${error.info.reason}:`);
  printExcluded(err, excluded, network);
  tell(err, `${CONSEQUENCE}; ${hint}`);
  if (json) printJson(out, { ...failureJson(error), excludedLeases: excludedJson(excluded, network) });
  return exitStatusOf(error);
}

interface Candidate {
  readonly text: string;
  readonly check: ValidConfig;
}

interface Outcome {
  readonly kind: "same" | "written" | "not-written" | "refused";
  /** What stood there before. */
  readonly before: ConfigRecord | null;
  readonly changes: readonly MemberChange[];
  /** Null when there was no valid config, so that nobody knows by which one daemons go. */
  readonly restarts: Restarts | null;
  /** How many have a record. */
  readonly hosts: number;
  readonly excluded: readonly Lease[];
}

/** Decides again when leases came meanwhile; never writes over another operator's config. */
async function replaceConfig(
  candidate: Candidate,
  call: VerbCall,
  store: OperatorCalls,
  signal: AbortSignal,
): Promise<Outcome> {
  const first = await lookAtStore(store, signal);
  for (let attempt = 1, look = first; attempt <= ATTEMPTS; attempt++, look = await lookAtStore(store, signal)) {
    if (look.view.config?.modRevision !== first.view.config?.modRevision) break;
    const effects = compareWith(look, candidate);
    if (look.view.config?.text.trim() === candidate.text) return { kind: "same", ...effects };
    if (effects.excluded.length > 0 && !isOn(call, "force")) return { kind: "refused", ...effects };
    if (isOn(call, "dry-run")) return { kind: "not-written", ...effects };
    const { kind } = await store.putConfig(candidate.text, look.view, signal);
    if (kind === "put") return { kind: "written", ...effects };
  }
  throw new FlannelError("request.overtaken", { what: "the network config or the leases" });
}

function compareWith({ view, list }: Look, { text, check }: Candidate): Omit<Outcome, "kind"> {
  const { config } = view;
  const before = config && validOrNull(config.text);
  return {
    before: config,
    changes: diffConfigs(before, check),
    restarts: config && before && restartsFor(config.text, text, list.leases),
    hosts: hostsOf(list.leases).length,
    excluded: excludedLeases(before, check, list.leases),
  };
}

function validOrNull(text: string): ValidConfig | null {
  const check = checkConfig(text);
  return check.kind === "valid" ? check : null;
}

const MOST_NAMED = 5;

function nameSome(names: readonly string[]): string {
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : "";
  return names.slice(0, MOST_NAMED).join(", ") + more;
}

/** What running daemons do about it; null where that cannot be known or there is nothing to do. */
function describeEffect({ before, changes, restarts, hosts }: Outcome): string | null {
  if (before === null) return "daemons that wait for it start with it";
  if (restarts === null) return null;
  const { members } = restarts;
  if (members.length === 0) return changes.length === 0 ? null : "running daemons follow it at once";
  const reason = `because of ${members.join(", ")}`;
  if (hosts === 0) return `no host has a lease; a daemon that runs all the same must be restarted, ${reason}`;
  const where = restarts.hosts.length === hosts ? "every host" : nameSome(restarts.hosts);
  return `restart flanneld on ${where}: until then the old config stays in force there, ${reason}`;
}

function report(outcome: Outcome, check: ValidConfig, call: VerbCall, { out }: OperatorPorts): void {
  const key = configKey(call);
  if (call.json)
    printJson(out, {
      key,
      ...outcomeJson(outcome, check),
      effective: configJson(check),
      warnings: formatWarnings(check),
    });
  else printOutcome(out, outcome, check, key);
}

function outcomeJson({ kind, changes, restarts, excluded }: Outcome, { network }: ValidConfig) {
  return {
    written: kind === "written",
    same: kind === "same",
    changes: changes.map(({ member, from, to }) => ({ member, from: from ?? null, to: to ?? null })),
    notes: notesOn(changes),
    restart: restarts && { members: restarts.members, hosts: restarts.hosts },
    excludedLeases: excludedJson(excluded, network),
  };
}

function printChanges(out: Screen, changes: readonly MemberChange[]): void {
  if (changes.length === 0) {
    printLines(out, ["the values stay the same, only the text is another"]);
    return;
  }
  const rows = changes.map(({ member, from, to }) => [member, formatValue(from), formatValue(to)]);
  printTable(out, ["MEMBER", "OLD", "NEW"], rows);
}

function printOutcome(out: Screen, outcome: Outcome, check: ValidConfig, key: string): void {
  const { kind, before, changes, excluded } = outcome;
  if (kind === "same") {
    printLines(out, [`${key} says so already; nothing was written`]);
    return;
  }
  if (before && validOrNull(before.text) === null) printLines(out, ["what stood there is no valid network config"]);
  if (before === null) printPairs(out, describeConfig(check));
  else printChanges(out, changes);
  printWarnings(out, formatWarnings(check));
  if (excluded.length > 0) {
    printWarnings(out, [`${describeExcluded(excluded)}: ${CONSEQUENCE}`]);
    printExcluded(out, excluded, check.network);
  }
  const effect = describeEffect(outcome);
  printLines(out, [
    ...(effect === null ? [] : [effect]),
    ...notesOn(changes),
    kind === "written" ? `written to ${key}` : "nothing was written (--dry-run)",
  ]);
}
