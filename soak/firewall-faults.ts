// What can happen to the firewall of a host: others flush it, as when firewalld is loaded again or Docker is started, set
// the policy, and add rules of their own.

import { millis, seconds } from "../src/base/brand.ts";
import { type Fault, type FirewallMode, nothing } from "./fault.ts";
import { onHost } from "./host-shell.ts";

type LinesOfMode = Readonly<Partial<Record<FirewallMode, string>>>;

const AT_ONCE = [millis(0), millis(0)] as const;
/** As long as nobody else forbids it, packets pass without a rule of ours. */
const FREE: Pick<Fault, "kind" | "mayLose" | "recovery" | "lasts"> = {
  kind: "firewall",
  mayLose: () => null,
  recovery: seconds(20),
  lasts: AT_ONCE,
};

const FLUSH = "iptables -F && iptables -X && iptables -t nat -F && iptables -t nat -X";

function rewrite(lines: LinesOfMode, undo: LinesOfMode | null = null): Fault["inject"] {
  return async (world, victim, signal) => {
    await onHost(world, victim, lines[world.firewall] ?? "", signal);
    if (undo === null) return nothing;
    return async (signal) => void (await onHost(world, victim, undo[world.firewall] ?? "", signal));
  };
}

const ADD_FOREIGN = [
  "iptables -N FOREIGN",
  "iptables -A FOREIGN -j RETURN",
  "iptables -I FORWARD -j FOREIGN",
  "nft add table inet foreign",
  "nft 'add chain inet foreign forward { type filter hook forward priority 10; policy accept; }'",
].join(" && ");

/** Ends in failure when one is not there any more. */
const DELETE_FOREIGN = [
  "iptables -D FORWARD -j FOREIGN",
  "iptables -D FOREIGN -j RETURN",
  "iptables -X FOREIGN",
  "nft delete chain inet foreign forward",
  "nft delete table inet foreign",
].join(" && ");

function both(line: string): LinesOfMode {
  return { iptables: line, nftables: line };
}

export const FIREWALL_FAULTS: readonly Fault[] = [
  {
    ...FREE,
    name: "rules-flushed",
    summary: "all rules and chains are deleted (nftables: flanneld's table)",
    inject: rewrite({ iptables: FLUSH, nftables: "nft delete table ip flannel-ipv4" }),
  },
  {
    ...FREE,
    name: "ruleset-flushed",
    summary: "everything that nftables has is deleted, tables and all",
    inject: rewrite({ iptables: "nft flush ruleset", nftables: "nft flush ruleset" }),
  },
  {
    ...FREE,
    name: "rule-deleted",
    summary: "what leads to flanneld's rules is deleted (nftables: the rules of one chain)",
    inject: rewrite({
      iptables: "iptables -D FORWARD -m comment --comment 'flanneld forward' -j FLANNEL-FWD",
      nftables: "nft flush chain ip flannel-ipv4 forward",
    }),
  },
  {
    ...FREE,
    name: "forward-drop",
    summary: "what nobody accepts is no longer forwarded (-P FORWARD DROP), and is again",
    firewall: "iptables",
    lasts: [seconds(1), seconds(5)],
    inject: rewrite({ iptables: "iptables -P FORWARD DROP" }, { iptables: "iptables -P FORWARD ACCEPT" }),
  },
  {
    ...FREE,
    name: "forward-drop-flushed",
    summary: "the same, and all rules and chains are deleted",
    firewall: "iptables",
    lasts: [seconds(2), seconds(5)],
    mayLose: () => seconds(1),
    mendedMeanwhile: true,
    inject: rewrite({ iptables: `iptables -P FORWARD DROP && ${FLUSH}` }, { iptables: "iptables -P FORWARD ACCEPT" }),
  },
  {
    ...FREE,
    name: "foreign-rules",
    summary: "others add tables, chains and rules of their own, which must stay; then they go",
    lasts: [seconds(1), seconds(4)],
    inject: rewrite(both(ADD_FOREIGN), both(DELETE_FOREIGN)),
  },
];
