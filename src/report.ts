// What is logged when somebody asks for it (SIGUSR1).

import type { DataPlane } from "./data-plane.ts";
import type { Firewall } from "./firewall/firewall.ts";
import type { Means } from "./means.ts";
import type { Reconciler } from "./net/reconciler.ts";
import type { ChecksumWatch } from "./offload/checksum-watch.ts";

interface Reporting {
  readonly reconciler: Pick<Reconciler, "status">;
  readonly checksums: Pick<ChecksumWatch, "verdict">;
  readonly firewall: Pick<Firewall, "status">;
  readonly plane: Pick<DataPlane, "report"> | null;
}

/** Until disposed of. */
export function reportOnRequest(
  { reconciler, checksums, firewall, plane }: Reporting,
  { log, onReportRequest }: Pick<Means, "log" | "onReportRequest">,
): Disposable {
  return onReportRequest(() => {
    const { passes, applied, repaired, repairedKinds } = reconciler.status();
    const kinds = [...repairedKinds].map(([kind, count]) => `${kind} ${count}`).join(", ");
    log.info("kernel state", { passes, ops: applied, repaired, ...(kinds && { kinds }) });
    log.info("firewall rules", firewall.status());
    log.info("checksums left to the network card", { verdict: checksums.verdict() });
    plane?.report();
  });
}
