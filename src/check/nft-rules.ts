// What `nft -j list ruleset` prints, as far as a check has to understand it. Pure. What is not understood is passed over.

export interface NftRule {
  readonly handle: number;
  readonly verdict: "accept" | "drop" | null;
  readonly isJump: boolean;
  readonly isUnconditional: boolean;
  /** How many conditions it has. */
  readonly matches: number;
  /** UDP destination ports that it is for, each from and to; empty when it is not for ports. */
  readonly ports: readonly (readonly [number, number])[];
  /** Its expressions as JSON. */
  readonly text: string;
}

/** A base chain. */
export interface NftChain {
  /** Family and table: "inet filter". */
  readonly table: string;
  readonly name: string;
  readonly hook: string;
  readonly policy: string;
  readonly rules: readonly NftRule[];
  readonly isOfIptables: boolean;
}

type Loose = { readonly [name: string]: unknown };

const IPTABLES_TABLES = ["filter", "nat", "mangle", "raw", "security"];

export function readNftChains(ruleset: string | null): readonly NftChain[] {
  const items = itemsOf(ruleset);
  const rules = items.flatMap((item) => (isLoose(item["rule"]) ? [item["rule"]] : []));
  const chains = items.flatMap((item) => (isLoose(item["chain"]) ? [item["chain"]] : []));
  return chains
    .filter((chain) => typeof chain["hook"] === "string")
    .map((chain) => ({
      table: `${chain["family"]} ${chain["table"]}`,
      name: String(chain["name"]),
      hook: String(chain["hook"]),
      policy: String(chain["policy"] ?? "accept"),
      isOfIptables:
        (chain["family"] === "ip" || chain["family"] === "ip6") &&
        IPTABLES_TABLES.includes(String(chain["table"])) &&
        /^[A-Z]+$/.test(String(chain["name"])),
      rules: rules
        .filter((rule) => (["family", "table"] as const).every((key) => rule[key] === chain[key]))
        .filter((rule) => rule["chain"] === chain["name"])
        .map(readRule),
    }));
}

/** Several of them as one. */
export function joinRulesets(rulesets: readonly string[]): string {
  return JSON.stringify({ nftables: rulesets.flatMap(itemsOf) });
}

function itemsOf(ruleset: string | null): readonly Loose[] {
  try {
    const parsed: unknown = JSON.parse(ruleset ?? "{}");
    const items = isLoose(parsed) ? parsed["nftables"] : null;
    return Array.isArray(items) ? items.filter(isLoose) : [];
  } catch {
    return [];
  }
}

function readRule(rule: Loose): NftRule {
  const parts = Array.isArray(rule["expr"]) ? rule["expr"].filter(isLoose) : [];
  const has = (name: string) => parts.some((part) => name in part);
  return {
    handle: Number(rule["handle"]),
    verdict: has("accept") ? "accept" : has("drop") || has("reject") ? "drop" : null,
    isJump: has("jump") || has("goto"),
    isUnconditional: !has("match"),
    matches: parts.filter((part) => "match" in part).length,
    ports: parts.flatMap((part) => portsOf(part["match"])),
    text: JSON.stringify(parts),
  };
}

/** {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 8472} */
function portsOf(match: unknown): readonly (readonly [number, number])[] {
  if (!isLoose(match) || match["op"] === "!=" || !isLoose(match["left"])) return [];
  const payload = match["left"]["payload"];
  if (!isLoose(payload) || payload["field"] !== "dport") return [];
  if (payload["protocol"] !== "udp" && payload["protocol"] !== "th") return [];
  return rangesOf(match["right"]);
}

function rangesOf(right: unknown): readonly (readonly [number, number])[] {
  if (typeof right === "number") return [[right, right]];
  if (!isLoose(right)) return [];
  const { set, range } = right;
  if (Array.isArray(set)) return set.flatMap(rangesOf);
  return Array.isArray(range) ? [[Number(range[0]), Number(range[1])]] : [];
}

function isLoose(value: unknown): value is Loose {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
