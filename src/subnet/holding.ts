// What we know of our own lease: the record as last seen, until when it lasts, and who has it if we have not.

import { type Millis, millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import { describeSubnet, hostIp, type Lease } from "./lease.ts";

/** When a lease was given and until when, on the clock that neither stands still nor is set. */
export interface Span {
  readonly since: Millis;
  readonly end: Millis;
}

export interface Holding {
  /** The record as we hold it; while another host has it, as we held it last. */
  lease(): Lease;
  isHeld(): boolean;
  /** Null when the lease does not end. */
  span(): Span | null;
  trouble(): string | null;
  /** The record is ours, and is this. */
  hold(lease: Lease): void;
  /** The record is another host's. */
  yieldTo(found: Lease): void;
  /** It may not be ours any more, for this reason; nothing else has changed yet. */
  doubt(reason: string): void;
  /** How often another host was found to have it. */
  conflicts(): number;
}

export interface HoldingDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly onChange: () => void;
}

export function createHolding(first: Lease, { clock, log, onChange }: HoldingDeps): Holding {
  let held = first;
  let span = spanOf(held, clock);
  let trouble: string | null = null;
  let owner: string | null = null;
  let conflicts = 0;
  const doubt = (reason: string) => {
    trouble = reason;
    onChange();
  };
  return {
    lease: () => held,
    isHeld: () => owner === null,
    span: () => span,
    trouble: () => trouble ?? expired(held, span, clock),
    doubt,
    conflicts: () => conflicts,
    hold(lease) {
      if (owner !== null) log.warn("the subnet of this host is its own again", leaseFields(lease));
      held = lease;
      span = spanOf(lease, clock);
      [trouble, owner] = [null, null];
      onChange();
    },
    yieldTo(found) {
      const other = describeOwner(found);
      if (owner === null) conflicts += 1;
      if (other !== owner) log.error("another host has the subnet of this host", conflictFields(held, found));
      owner = other;
      doubt(`${describeSubnet(held.subnet)} belongs to ${other} now, so this host carries none of its packets`);
    },
  };
}

function spanOf({ term }: Lease, clock: Clock): Span | null {
  if (term.kind !== "until") return null;
  const since = clock.boottime();
  return { since, end: millis(since + term.at - clock.now()) };
}

function expired({ term }: Lease, span: Span | null, clock: Clock): string | null {
  if (term.kind !== "until" || span === null || clock.boottime() < span.end) return null;
  return `the lease expired at ${new Date(term.at).toISOString()} and could not be renewed`;
}

function describeOwner({ attrs }: Lease): string {
  const { nodeId } = attrs;
  return `the host ${hostIp(attrs)}${nodeId === null ? "" : ` (node id ${nodeId})`}`;
}

function conflictFields({ subnet }: Lease, { attrs }: Lease) {
  const { nodeId } = attrs;
  return {
    subnet: describeSubnet(subnet),
    peer: hostIp(attrs),
    ...(nodeId !== null && { node: nodeId }),
    reason: "its packets are no longer carried here",
    hint: "if that host is right, restart flanneld and make this host's pods anew; if not, delete its record, and this host takes the subnet back",
  };
}

export function leaseFields({ subnet, term }: Lease): { readonly subnet: string; readonly expires?: string } {
  return term.kind === "until"
    ? { subnet: describeSubnet(subnet), expires: new Date(term.at).toISOString() }
    : { subnet: describeSubnet(subnet) };
}
