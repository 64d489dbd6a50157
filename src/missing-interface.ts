// An interface that this daemon was told to use and that is not there, while it waits for its network config: looked for
// anew each time, so that an operator need not write the config to hear of it. Nothing is decided here: with the config
// the interface is chosen (learn.ts), and one that is missing then ends the daemon.

import { createComplaint } from "./base/complaint.ts";
import { isError } from "./base/errors.ts";
import { FAMILIES, type Family } from "./base/ip.ts";
import type { UnderlayOptions } from "./cli/options.ts";
import type { Means } from "./means.ts";
import { chooseUnderlay } from "./net/underlay.ts";

export interface InterfaceLook {
  look(signal: AbortSignal): Promise<void>;
  /** From now on somebody else tells. */
  end(): void;
}

type LookMeans = Pick<Means, "kernel" | "board" | "clock" | "log">;

export function lookForInterface(options: UnderlayOptions, { kernel, board, clock, log }: LookMeans): InterfaceLook {
  const { interfaces, regexes, canReach } = options;
  // By default it is that of the default route, which comes after us at many a boot.
  const isTold = interfaces.length > 0 || regexes.length > 0 || canReach !== null;
  const complaint = createComplaint(
    { raised: "there is no interface as the flags say", settled: "there is an interface as the flags say" },
    { clock, log },
  );
  let trouble: string | null = null;
  board.degrade("interface", () => trouble);
  return {
    async look(signal) {
      if (!isTold) return;
      const found = await findTrouble(options, kernel, signal);
      if (found === UNKNOWN) return;
      trouble = found;
      if (trouble === null) complaint.settle();
      else complaint.raise(trouble);
    },
    end() {
      trouble = null;
    },
  };
}

/** The kernel has not said it. */
const UNKNOWN = Symbol("unknown");

/** Which families the network has is not known yet: that of neither of them there is one. Null when there is. */
async function findTrouble(
  options: UnderlayOptions,
  kernel: Means["kernel"],
  signal: AbortSignal,
): Promise<string | null | typeof UNKNOWN> {
  let first: string | null = null;
  for (const family of FAMILIES) {
    try {
      await choose(options, family, kernel, signal);
      return null;
    } catch (error) {
      if (isError(error, "netlink.errno")) return UNKNOWN;
      if (!isError(error, "interface.not-found")) throw error;
      first ??= error.message;
    }
  }
  return first;
}

async function choose(options: UnderlayOptions, family: Family, kernel: Means["kernel"], signal: AbortSignal) {
  const reach = options.canReach && (await kernel.lookup(options.canReach, signal));
  // Of both families: of IPv6 alone the kernel would be asked for all routes, and a default route decides nothing here.
  return chooseUnderlay(await kernel.underlayFacts(FAMILIES, signal), { ...options, families: [family] }, reach);
}
