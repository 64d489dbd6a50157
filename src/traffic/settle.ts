// Makes the table what it shall be: looks at it unless it is known, and writes what differs.

import type { Clock } from "../base/clock.ts";
import { createComplaint } from "../base/complaint.ts";
import { FlannelError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Counted } from "./counted.ts";
import type { NftTable } from "./nft-table.ts";
import { planTraffic } from "./plan.ts";
import type { ListedTable, PresentTable } from "./table.ts";

export interface SettlerDeps {
  readonly clock: Clock;
  readonly log: Logger;
}

/** `isUnsure`: somebody may have changed it. Throws `firewall.failed` and `firewall.missing`. */
export type Settle = (want: Counted, isUnsure: boolean, signal: AbortSignal) => Promise<void>;

export function createSettler(table: string, nft: NftTable, deps: SettlerDeps): Settle {
  // Never over: whoever does it again and again makes some lines, and not one each time.
  const repairs = createComplaint(
    { raised: "what counts traffic by peer was changed by somebody else and is repaired", settled: "" },
    deps,
  );
  let known: PresentTable | null = null;
  let settled: Counted | null = null;
  return async (want, isUnsure, signal) => {
    const trusted = isUnsure ? null : known;
    // Until all has gone well.
    known = null;
    const { then, isChanged } = trusted
      ? await changeKnown(table, want, trusted, nft, signal)
      : await changeUntilSo(table, want, nft, signal);
    known = then;
    if (settled === null) deps.log.info("traffic is counted by peer", { count: want.subnets.length });
    else if (isChanged && trusted === null && settled === want) {
      repairs.raise("counters that were deleted begin at zero");
    }
    settled = want;
  };
}

function checked(listed: ListedTable | null): ListedTable | null {
  if (listed?.isCounting !== false) return listed;
  throw failed("this kernel does not count by element of a set, which Linux 5.7 and newer do");
}

interface Changed {
  /** What is there now. */
  readonly then: PresentTable;
  readonly isChanged: boolean;
}

async function changeKnown(
  table: string,
  want: Counted,
  present: PresentTable,
  nft: NftTable,
  signal: AbortSignal,
): Promise<Changed> {
  const { script, then } = planTraffic(table, want, present);
  if (script !== "") await nft.change(script, signal);
  return { then, isChanged: script !== "" };
}

/**
 * What was found wanting and changed must then be read as it should be, or it would be changed for ever. Somebody may
 * delete it just in between: that does not happen twice.
 */
const MOST_CHANGES = 2;

async function changeUntilSo(table: string, want: Counted, nft: NftTable, signal: AbortSignal): Promise<Changed> {
  for (let changes = 0; ; changes++) {
    const { script, then } = planTraffic(table, want, checked(await nft.read(signal)));
    if (script === "") return { then, isChanged: changes > 0 };
    if (changes === MOST_CHANGES) {
      throw failed(
        `the table ${table} is not read as it was written: this nft prints it otherwise, or somebody else changes it at once`,
      );
    }
    await nft.change(script, signal);
  }
}

function failed(reason: string): FlannelError {
  return new FlannelError("firewall.failed", { tool: "nft", reason });
}
