// Where the kernel would send a packet that comes in by an interface, as ip(8) asks it.

import { type Known, known, unknown } from "../check/facts.ts";
import type { ForwardedPacket, ForwardedWay } from "../check/forwarded-ways.ts";
import { firstLine, runBriefly } from "./firewall-rules.ts";

export async function readForwardedWay(
  { source, destination, iif }: ForwardedPacket,
  signal: AbortSignal,
): Promise<Known<ForwardedWay>> {
  const asked = ["ip", "-j", "route", "get", destination, "from", source, "iif", iif];
  const result = await runBriefly(asked, signal);
  if (result.kind === "missing") return unknown("there is no ip here");
  if (result.status === 0) return parseForwardedWay(result.stdout);
  const said = firstLine(result.stderr);
  return REFUSED.test(said) ? known(null) : unknown(said);
}

/** Kernel: what it says of a rule or a route that refuses, and where there is none (facts-routes.test.ts). */
const REFUSED = /^RTNETLINK answers: (Invalid argument|No route to host|Network is unreachable|Permission denied)$/;

/** `[{"dst": "10.5.2.254", "gateway": "10.5.2.0", "dev": "flannel.1"}]` */
export function parseForwardedWay(text: string): Known<ForwardedWay> {
  try {
    const [found] = JSON.parse(text) as readonly { readonly dev?: unknown; readonly gateway?: unknown }[];
    if (typeof found?.dev === "string") {
      return known({ dev: found.dev, gateway: typeof found.gateway === "string" ? found.gateway : null });
    }
  } catch {
    // An ip that knows no JSON.
  }
  return unknown("ip does not say it as JSON");
}
