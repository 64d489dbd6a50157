// A place for firewall rules in memory, which may be out of order.

import { FlannelError } from "../../src/base/errors.ts";
import type { Place, Settled } from "../../src/firewall/place.ts";
import type { RuleSet } from "../../src/firewall/rule.ts";

export class FakePlace implements Place {
  readonly name: string;
  readonly family = "ipv4";
  holds: RuleSet | null = null;
  broken: string | null = null;
  missing = false;
  shadow: string | null = null;
  announced = false;
  /** Settling waits for it. */
  gate: Promise<void> = Promise.resolve();
  checks = 0;
  /** Every place appends its name when it is settled. */
  readonly order: string[];

  constructor(name: string, order: string[] = []) {
    this.name = name;
    this.order = order;
  }

  async settle(want: RuleSet): Promise<Settled | null> {
    this.checks += 1;
    this.order.push(this.name);
    await this.gate;
    if (this.missing) return null;
    if (this.broken) throw new FlannelError("firewall.failed", { tool: this.name, reason: this.broken });
    const changed = this.holds !== want;
    this.holds = want;
    return { changed, shadow: this.shadow };
  }
}
