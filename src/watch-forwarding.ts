// Warns of a host that forwards no packets: its pods then reach nobody on other hosts, and nothing else says why.
// Compat: the Go daemon sets nothing and says nothing. We set nothing, either: whether a host forwards is its
// administrator's decision.

import { minutes } from "./base/brand.ts";
import type { Clock } from "./base/clock.ts";
import { createComplaint } from "./base/complaint.ts";
import type { Logger } from "./base/log.ts";

export interface ForwardingWatch {
  /** What is wrong, as a phrase; null while the host forwards. */
  trouble(): string | null;
  run(signal: AbortSignal): Promise<void>;
}

export interface WatchForwardingDeps {
  /** Null when it cannot be told. */
  readonly isForwarding: () => Promise<boolean | null>;
  readonly clock: Clock;
  readonly log: Logger;
}

const INTERVAL = minutes(1);
const TROUBLE = "net.ipv4.ip_forward is 0, so that pods reach nobody on other hosts";
const HINT = "sysctl -w net.ipv4.ip_forward=1, and the same line in a file of /etc/sysctl.d for the next boot";

/** Told when two looks in a row have found it: after a boot Docker and CNI plugins switch it on, and they start after us. */
export function createForwardingWatch({ isForwarding, clock, log }: WatchForwardingDeps): ForwardingWatch {
  const complaint = createComplaint(
    { raised: "this host does not forward packets", settled: "this host forwards packets again" },
    { clock, log },
  );
  let isOff = false;
  let trouble: string | null = null;
  return {
    trouble: () => trouble,
    async run(signal) {
      for (;;) {
        const wasOff = isOff;
        isOff = (await isForwarding()) === false;
        trouble = wasOff && isOff ? TROUBLE : null;
        if (trouble !== null) complaint.raise(trouble, { hint: HINT });
        else if (!isOff) complaint.settle();
        await clock.sleep(INTERVAL, signal);
      }
    },
  };
}
