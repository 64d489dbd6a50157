// At which interfaces chains of the hooks ingress and egress are. nft: 1.0.6 says it in its text alone, and
// not in its JSON. Pure.

import { isLoose, itemsOf, type Loose, tableOf } from "../check/nft-json.ts";
import { isAtDevice } from "../check/nft-rules.ts";

/** Whether a ruleset as JSON has such chains, and does not say where they are. */
export function lacksDevices(ruleset: string): boolean {
  // It may be megabytes, and most have none.
  return (
    /"hook": ?"(?:in|e)gress"/.test(ruleset) && itemsOf(ruleset).some(({ chain }) => isLoose(chain) && lacks(chain))
  );
}

/** The ruleset, with "dev" as newer ones have it. `listed`: what `nft list chains` prints. */
export function addDevices(ruleset: string, listed: string): string {
  const devices = readDevices(listed);
  const items = itemsOf(ruleset).map(({ chain, ...others }) => {
    if (!isLoose(chain) || !lacks(chain)) return chain === undefined ? others : { chain };
    return { chain: { ...chain, dev: devices.get(`${tableOf(chain)} ${chain["name"]}`) ?? [] } };
  });
  return JSON.stringify({ nftables: items });
}

function lacks(chain: Loose): boolean {
  return isAtDevice(chain) && chain["dev"] === undefined;
}

/** By table and chain, as in "netdev filter in". */
function readDevices(listed: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  let table = "";
  let chain = "";
  for (const line of listed.split("\n")) {
    const [, kind, name = ""] = /^\s*(table|chain) (.+) \{$/.exec(line) ?? [];
    if (kind === "table") table = name;
    if (kind === "chain") chain = name;
    // type filter hook ingress device "eth0" priority filter; or: devices = { cni0, eth0 }
    const [, names] = /^\s*type .* devices? (?:= )?(.+) priority /.exec(line) ?? [];
    if (names !== undefined) found.set(`${table} ${chain}`, names.match(/[^\s"{},]+/g) ?? []);
  }
  return found;
}
