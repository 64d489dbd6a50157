// How one host of a large network has all the others: asked of that host when somebody wants to see it.

import type { AskHost } from "./ask-host.ts";
import type { HostRow, Overlay } from "./overlay.ts";
import { reachRow } from "./reach.ts";
import { readStatus } from "./read-answer.ts";

export interface RowDeps {
  readonly overlay: () => Promise<Overlay>;
  readonly askHost: AskHost;
  readonly prefix: string;
}

/** Null when there is no host with the subnet. A host that does not answer has every other as unknown. */
export function createRowDesk(
  { overlay, askHost, prefix }: RowDeps,
  signal: AbortSignal,
): (subnet: string) => Promise<HostRow | null> {
  return async (subnet) => {
    const { hosts } = await overlay();
    const host = hosts.find((one) => one.subnet === subnet);
    if (!host) return null;
    const answer = await askHost(host.publicIp, "/status", signal).catch(() => null);
    const read = readStatus(answer, prefix);
    const row = reachRow(subnet, read.kind === "status" ? read.status : null, hosts);
    return { ...row, hosts: hosts.map(({ subnet, publicIp }) => ({ subnet, publicIp })) };
  };
}
