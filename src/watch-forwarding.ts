// Warns of a host that forwards no packets: its pods then reach nobody on other hosts, and nothing else says why.
// Compat: the Go daemon sets nothing and says nothing. We set nothing, either: whether a host forwards is its
// administrator's decision.

import { minutes } from "./base/brand.ts";
import type { Clock } from "./base/clock.ts";
import { createComplaint } from "./base/complaint.ts";
import type { Family } from "./base/ip.ts";
import type { Logger } from "./base/log.ts";

export interface ForwardingWatch {
  /** What is wrong, as a phrase; null while the host forwards. */
  trouble(): string | null;
  /** The command that ends it; null while the host forwards. */
  remedy(): string | null;
  run(signal: AbortSignal): Promise<void>;
}

export interface WatchForwardingDeps {
  /** Null when it cannot be told. */
  readonly isForwarding: (family: Family) => Promise<boolean | null>;
  /** Those of the network. */
  readonly families: () => readonly Family[];
  readonly clock: Clock;
  readonly log: Logger;
}

const INTERVAL = minutes(1);
const SETTINGS: Readonly<Record<Family, string>> = {
  ipv4: "net.ipv4.ip_forward",
  ipv6: "net.ipv6.conf.all.forwarding",
};
const CONSEQUENCE = "is 0, so that pods reach nobody on other hosts";
const HINT = "and the same line in a file of /etc/sysctl.d for the next boot";

/** Told when two looks in a row have found it: after a boot Docker and CNI plugins switch it on, and they start after us. */
export function createForwardingWatch({ isForwarding, families, clock, log }: WatchForwardingDeps): ForwardingWatch {
  const complaint = createComplaint(
    { raised: "this host does not forward packets", settled: "this host forwards packets again" },
    { clock, log },
  );
  const findOff = async (): Promise<Family | null> => {
    for (const family of families()) if ((await isForwarding(family)) === false) return family;
    return null;
  };
  let off: Family | null = null;
  let trouble: string | null = null;
  const command = (family: Family) => `sysctl -w ${SETTINGS[family]}=1`;
  return {
    trouble: () => trouble,
    remedy: () => (off !== null && trouble !== null ? command(off) : null),
    async run(signal) {
      for (;;) {
        const before = off;
        off = await findOff();
        trouble = off !== null && off === before ? `${SETTINGS[off]} ${CONSEQUENCE}` : null;
        if (off !== null && trouble !== null) complaint.raise(trouble, { hint: `${command(off)}, ${HINT}` });
        else if (off === null) complaint.settle();
        await clock.sleep(INTERVAL, signal);
      }
    },
  };
}
