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

export interface IptablesDrop {
  /** With its table: "-t filter -A INPUT -p udp -m udp --dport 8472 -j DROP". */
  readonly rule: string;
  /** No other condition, and no rule before it in its chain that lets packets to the port through. */
  readonly isWhole: boolean;
}

/** A rule of any table that drops packets to a UDP port, if there is one whole; null when there is none. */
export function findIptablesDrop(saved: string, port: number): IptablesDrop | null {
  let table = "filter";
  let first: IptablesDrop | null = null;
  const open = new Set<string>();
  for (const line of saved.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    if (!/ -p udp\b/.test(line) || !hits(line, port)) continue;
    const chain = `${table} ${line.split(" ", 2)[1]}`;
    if (/ -j ACCEPT\b/.test(line)) open.add(chain);
    if (!/ -j (DROP|REJECT)\b/.test(line)) continue;
    const found = { rule: `-t ${table} ${line}`, isWhole: WHOLE.test(line) && !open.has(chain) };
    if (found.isWhole) return found;
    first ??= found;
  }
  return first;
}

/** Beside the port a comment at most. */
const WHOLE =
  /^-A \S+ -p udp( -m (udp|multiport)| -m comment --comment ("[^"]*"|\S+))* --dports? \S+( -m comment --comment ("[^"]*"|\S+))? -j (DROP|REJECT)\b/;

function hits(line: string, port: number): boolean {
  const [, not = "", dport = ""] = /(! )?--dports? (\S+)/.exec(line) ?? [];
  if (dport === "" || not !== "") return false;
  return dport.split(",").some((part) => {
    const [from = Number.NaN, to = from] = part.split(":").map(Number);
    return from <= port && port <= to;
  });
}
