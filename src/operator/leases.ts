// The command `leases`: every record below the subnets prefix, with the time that it has left.

import { pasteCommand } from "../base/paste.ts";
import { mapInParallel } from "../base/tasks.ts";
import { isOn, type VerbCall } from "../cli/verbs.ts";
import type { Lease, LeaseTerm, SubnetKey } from "../subnet/lease.ts";
import { checkConfig } from "./check-config.ts";
import { formatSummary, leaseTable, reportJson, reportLeases } from "./lease-report.ts";
import { lookAtStore } from "./look.ts";
import { printJson, printLines, printTable, tell } from "./print.ts";
import { createProgress } from "./progress.ts";
import { configKey, type OperatorCalls, withStore } from "./session.ts";
import type { OperatorPorts } from "./verb.ts";

export async function listLeases(call: VerbCall, ports: OperatorPorts, signal: AbortSignal): Promise<number> {
  const { out, err, clock } = ports;
  const { look, terms } = await withStore(call, ports, async (store) => {
    const look = await lookAtStore(store, signal);
    const terms = isOn(call, "no-ttl") ? new Map() : await askTerms(look.list.leases, store, ports, signal);
    return { look, terms };
  });
  const { config } = look.view;
  const check = config && checkConfig(config.text);
  if (!check) tell(err, `there is no network config at ${configKey(call)}: what is free cannot be told`);
  if (check?.kind === "invalid") {
    const command = pasteCommand("config validate", call.asking);
    tell(err, `the network config is not valid (${command}): what is free cannot be told`);
  }
  const report = reportLeases(look.list, terms, check?.kind === "valid" ? check : null);
  if (call.json) {
    printJson(out, reportJson(report));
    return 0;
  }
  const { heading, rows } = leaseTable(report, clock.now());
  if (rows.length > 0) printTable(out, heading, rows);
  if (report.bad.length > 0) {
    const bad = report.bad.map(({ key, reason }) => [key, reason]);
    printTable(out, ["BAD RECORD", "WHY DAEMONS LEAVE IT OUT"], bad);
  }
  printLines(out, [out.style.faint(formatSummary(report))]);
  return 0;
}

/** etcd: each answer is small, and a follower asks the leader. More at once would keep it from its other work. */
const AT_ONCE = 16;

/** One request for each lease, which a list cannot answer. */
async function askTerms(
  leases: readonly Lease[],
  store: OperatorCalls,
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<ReadonlyMap<SubnetKey, LeaseTerm>> {
  const leased = leases.filter(({ term }) => term.kind === "leased");
  const progress = createProgress(
    (done, total) => `asked for the time left of ${done} of ${total} leases (--no-ttl does not ask)`,
    leased.length,
    ports,
  );
  try {
    const ask = async (lease: Lease, scope: AbortSignal): Promise<[SubnetKey, LeaseTerm]> => {
      const term = await store.timeLeft(lease, scope);
      progress.step();
      return [lease.key, term];
    };
    return new Map(await mapInParallel(leased, AT_ONCE, ask, signal));
  } finally {
    progress.end();
  }
}
