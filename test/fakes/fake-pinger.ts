// Pinger in memory. It passes the same contract suite as the real one. A path is what a test says; an address without one
// answers nothing.

import { type Millis, millis } from "../../src/base/brand.ts";
import type { Clock } from "../../src/base/clock.ts";
import { familyOf } from "../../src/base/ip.ts";
import { withDeadline } from "../../src/base/signals.ts";
import { HEADER } from "../../src/icmp/echo.ts";
import type { Pinger, PingOutcome } from "../../src/icmp/pinger.ts";

export interface FakePath {
  /** MTU of this host's own device. */
  readonly device?: number;
  /** The largest packet that gets through. */
  readonly mtu?: number;
  /** The router that says what it can pass on; without one, larger packets vanish. */
  readonly router?: string;
  readonly rtt?: Millis;
  /** Instead of an answer. */
  readonly outcome?: PingOutcome;
  /** The first of every so many is lost. */
  readonly losesEvery?: number;
}

export interface FakePinger extends Pinger {
  readonly paths: Map<string, FakePath>;
  readonly sent: readonly { readonly to: string; readonly size: number; readonly at: number }[];
  readonly isOpen: boolean;
}

const ICMP_HEADER = 8;

export function createFakePinger(clock: Clock): FakePinger {
  const paths = new Map<string, FakePath>();
  const sent: { to: string; size: number; at: number }[] = [];
  let isOpen = true;
  return {
    paths,
    sent,
    get isOpen() {
      return isOpen;
    },
    async ping(to, size, limit, signal) {
      signal.throwIfAborted();
      const bytes = Math.max(size, HEADER[familyOf(to)] + ICMP_HEADER);
      sent.push({ to, size: bytes, at: clock.monotonic() });
      const count = sent.filter((one) => one.to === to).length;
      const outcome = outcomeOf(paths.get(to), bytes, count);
      if (outcome.kind === "silent") await clock.sleep(limit, signal);
      if (outcome.kind === "reply")
        await withDeadline(limit, clock, signal, (scope) => clock.sleep(outcome.rtt, scope));
      return outcome;
    },
    [Symbol.dispose]() {
      isOpen = false;
    },
  };
}

function outcomeOf(path: FakePath | undefined, size: number, count: number): PingOutcome {
  if (!path) return { kind: "silent" };
  const { device = 1500, mtu = device, router, rtt = millis(1), outcome, losesEvery } = path;
  if (outcome) return outcome;
  if (size > device) return { kind: "too-big", mtu: null, from: null };
  if (size > mtu) return router === undefined ? { kind: "silent" } : { kind: "too-big", mtu, from: router };
  if (losesEvery !== undefined && count % losesEvery === 1) return { kind: "silent" };
  return { kind: "reply", rtt };
}
