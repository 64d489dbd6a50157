// What the firewall tells the operator: transitions, and of a quarrel with another agent one line.

import type { Logger } from "../base/log.ts";
import type { RuleSet } from "./rule.ts";

export interface SettledPlace {
  readonly changed: boolean;
  readonly shadow: string | null;
  /** They were as they should be, and somebody else has changed them. */
  readonly repair: boolean;
  /** Nothing was known of this place before. */
  readonly first: boolean;
}

export interface RuleLog {
  settled(tool: string, want: RuleSet, outcome: SettledPlace): void;
  /** Rules of an earlier config were removed there. */
  cleaned(tool: string): void;
}

/** So many checks in a row that had to repair are no accident. */
const QUARREL = 3;

export function createRuleLog(log: Logger): RuleLog {
  const repairs = new Map<string, number>();
  const shadows = new Map<string, string>();
  return {
    settled(tool, want, { changed, shadow, repair, first }) {
      const inARow = repair ? (repairs.get(tool) ?? 0) + 1 : 0;
      repairs.set(tool, inARow);
      const count = want.masquerade.length + want.forward.length;
      if (repair) tellRepair(tool, inARow, log);
      else if (count > 0 && (first || changed)) log.info("firewall rules are in place", { tool, rules: count });
      else if (changed) log.info("firewall rules that are not wanted any more are removed", { tool });
      tellShadow(tool, shadow, shadows, log);
    },
    cleaned: (tool) => log.info("firewall rules of an earlier config are removed", { tool }),
  };
}

function tellRepair(tool: string, inARow: number, log: Logger): void {
  if (inARow < QUARREL) log.warn("firewall rules were changed by somebody else and are repaired", { tool });
  if (inARow !== QUARREL) return;
  log.warn("another agent keeps changing our firewall rules; they are repaired at every check", {
    tool,
    hint: "find out what manages the firewall of this host (a second flanneld with the same network, a script)",
  });
}

function tellShadow(tool: string, shadow: string | null, told: Map<string, string>, log: Logger): void {
  if (shadow !== null && told.get(tool) !== shadow) {
    log.warn("a rule before ours leaves no packet for it", {
      tool,
      rule: shadow,
      hint: "accept the overlay network before that rule, or move it to the end of its chain; flanneld check names the commands",
    });
  }
  if (shadow === null) told.delete(tool);
  else told.set(tool, shadow);
}
