// The demo's live page: flanneld web in the lab, until Ctrl-C.

import { once } from "node:events";
import type { Topology } from "../lab/topology.ts";
import { startWebPage } from "../lab/web-page.ts";
import type { DemoDeps } from "./scenario.ts";

/** Of the daemons. */
export const HEALTH_PORT = 8081;

/** That of flanneld web itself. */
const WANTED_PORT = 8470;

/** Resolves when the signal aborts. */
export async function showPage(
  topology: Topology,
  etcdEndpoint: string,
  { print, style }: Pick<DemoDeps, "print" | "style">,
  signal: AbortSignal,
): Promise<void> {
  const options = { etcdEndpoints: [etcdEndpoint], healthPort: HEALTH_PORT, wanted: WANTED_PORT };
  const page = topology.own(await startWebPage(topology.etcd, options, signal));
  print(`Open ${style.good(page.url)} in a browser on this machine; Ctrl-C takes all of it down.`);
  if (!signal.aborted) await once(signal, "abort");
}
