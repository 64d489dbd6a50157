// The checks, in an order in which the first that fails is most likely the cause of those after it. One is added by a
// function from facts to a finding, and a line here.

import { checkBackend } from "./backend-check.ts";
import type { Facts } from "./facts.ts";
import type { Finding } from "./finding.ts";
import { checkForwardRules, checkInputRules } from "./firewall-checks.ts";
import { checkRoutes } from "./forwarded-ways.ts";
import { checkForwarding } from "./forwarding.ts";
import { checkDaemon, checkKernel, checkPort, checkPrivileges } from "./host-checks.ts";
import { checkInterface, checkMtu, checkNetworks, checkReversePath } from "./interface-checks.ts";
import { checkNeighbours, checkOffload } from "./link-checks.ts";
import { checkOverlay, checkPathMtu, checkPeers } from "./peer-checks.ts";
import {
  checkCertificates,
  checkClock,
  checkConfigured,
  checkEtcd,
  checkPublicIp,
  checkSubnets,
} from "./store-checks.ts";

export interface Check {
  readonly name: string;
  readonly judge: (facts: Facts) => Finding;
}

export const CHECKS: readonly Check[] = [
  { name: "privileges", judge: checkPrivileges },
  { name: "kernel", judge: checkKernel },
  { name: "certificates", judge: checkCertificates },
  { name: "clock", judge: checkClock },
  { name: "etcd", judge: checkEtcd },
  { name: "config", judge: checkConfigured },
  { name: "daemon", judge: checkDaemon },
  { name: "interface", judge: checkInterface },
  { name: "public-ip", judge: checkPublicIp },
  { name: "subnets", judge: checkSubnets },
  { name: "networks", judge: checkNetworks },
  { name: "backend", judge: checkBackend },
  { name: "port", judge: checkPort },
  { name: "ip-forward", judge: checkForwarding },
  { name: "forward-rules", judge: checkForwardRules },
  { name: "input-rules", judge: checkInputRules },
  { name: "rp-filter", judge: checkReversePath },
  { name: "routes", judge: checkRoutes },
  { name: "mtu", judge: checkMtu },
  { name: "neighbours", judge: checkNeighbours },
  { name: "offload", judge: checkOffload },
  { name: "peers", judge: checkPeers },
  { name: "overlay", judge: checkOverlay },
  { name: "path-mtu", judge: checkPathMtu },
];

export interface Checked extends Finding {
  readonly name: string;
}

export function runChecks(facts: Facts): readonly Checked[] {
  return CHECKS.map(({ name, judge }) => ({ name, ...judge(facts) }));
}

export type CheckOutcome = "fine" | "degraded" | "broken";

/** In the order of exit statuses. What could not be looked at counts for nothing. */
export function outcomeOf(checked: readonly Pick<Checked, "verdict">[]): CheckOutcome {
  if (checked.some(({ verdict }) => verdict === "fail")) return "broken";
  return checked.some(({ verdict }) => verdict === "warn") ? "degraded" : "fine";
}

/** What only warns by itself, and is why nothing comes through the overlay when nothing does. */
const EXPLAINING: readonly string[] = ["daemon", "input-rules"];

/** The first that fails, or what explains it, or else the first to warn; null when all is fine. */
export function causeOf(checked: readonly Checked[]): Checked | null {
  const warning = checked.filter(({ verdict }) => verdict === "warn");
  const failed = checked.find(({ verdict }) => verdict === "fail");
  if (failed?.name !== "overlay") return failed ?? warning[0] ?? null;
  return warning.find(({ name }) => EXPLAINING.includes(name)) ?? failed;
}
