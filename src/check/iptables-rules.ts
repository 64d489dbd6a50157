// What iptables-save prints, as far as a check has to understand it. Pure.

export interface IptablesChain {
  /** "ACCEPT", "DROP", or "-" for a chain of a user's. */
  readonly policy: string;
  /** As they are written: "-A FORWARD -s 10.5.0.0/16 -j ACCEPT". */
  readonly rules: readonly string[];
}

/** Of the table filter; null when it is not there. */
export function readFilterChain(saved: string, name: string): IptablesChain | null {
  const filter = tableOf(saved, "filter");
  const policy = new RegExp(`^:${name} (\\S+)`, "m").exec(filter)?.[1];
  if (policy === undefined) return null;
  return { policy, rules: filter.split("\n").filter((line) => line.startsWith(`-A ${name} `)) };
}

function tableOf(saved: string, name: string): string {
  const start = saved.indexOf(`*${name}\n`);
  return start === -1 ? "" : saved.slice(start, saved.indexOf("\nCOMMIT", start));
}

/** A rule of any table, with it, that drops packets to a UDP port; null when there is none. */
export function findIptablesDrop(saved: string, port: number): string | null {
  let table = "filter";
  for (const line of saved.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    if (!/ -j (DROP|REJECT)\b/.test(line) || !/ -p udp\b/.test(line)) continue;
    const [, not = "", dport = ""] = /(! )?--dports? (\S+)/.exec(line) ?? [];
    const isHit = dport.split(",").some((part) => {
      const [from = Number.NaN, to = from] = part.split(":").map(Number);
      return from <= port && port <= to;
    });
    if (dport !== "" && not === "" && isHit) return `-t ${table} ${line}`;
  }
  return null;
}
