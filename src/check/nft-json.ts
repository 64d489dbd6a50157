// What `nft -j` prints, as items; of sets and maps with a name also what is in them. Pure.

export type Loose = { readonly [name: string]: unknown };

export function isLoose(value: unknown): value is Loose {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Those of the list at the top; none in what is no such text. */
export function itemsOf(ruleset: string | null): readonly Loose[] {
  try {
    const parsed: unknown = JSON.parse(ruleset ?? "{}");
    const items = isLoose(parsed) ? parsed["nftables"] : null;
    return Array.isArray(items) ? items.filter(isLoose) : [];
  } catch {
    return [];
  }
}

/** Several of them as one. */
export function joinRulesets(rulesets: readonly string[]): string {
  return JSON.stringify({ nftables: rulesets.flatMap(itemsOf) });
}

/** Family and table: "inet filter". */
export function tableOf(item: Loose): string {
  return `${item["family"]} ${item["table"]}`;
}

/** Elements by table and name, as in "inet filter @blocked". Of a map each is a pair of key and value. */
export type NamedSets = ReadonlyMap<string, readonly unknown[]>;

export function readNamedSets(items: readonly Loose[]): NamedSets {
  const named = items.flatMap(({ set, map }) => (isLoose(set) ? [set] : isLoose(map) ? [map] : []));
  return new Map(
    named.map((one): [string, readonly unknown[]] => {
      // nft: an empty one has no such member.
      const elements = Array.isArray(one["elem"]) ? one["elem"] : [];
      return [`${tableOf(one)} @${one["name"]}`, elements.map(plainOf)];
    }),
  );
}

/** In which a rule looks up what its "@blocked" means. */
export interface SetScope {
  readonly table: string;
  readonly sets: NamedSets;
}

/** What a match compares with; null for a set that is not in the listing. */
export function valuesOf(right: unknown, { table, sets }: SetScope): readonly unknown[] | null {
  if (typeof right === "string") return right.startsWith("@") ? (sets.get(`${table} ${right}`) ?? null) : [right];
  if (typeof right === "number") return [right];
  if (Array.isArray(right)) return right;
  if (!isLoose(right)) return null;
  return Array.isArray(right["set"]) ? right["set"].map(plainOf) : [right];
}

/** Key and verdict of each entry of a map; null when it is not in the listing. */
export function entriesOf(data: unknown, scope: SetScope): readonly (readonly [unknown, unknown])[] | null {
  const values = valuesOf(data, scope);
  if (values === null || !values.every(Array.isArray)) return null;
  return values.map(([key, verdict]: readonly unknown[]) => [plainOf(key), verdict]);
}

/** 8472 of {"elem": {"val": 8472, "comment": "vxlan"}} */
function plainOf(element: unknown): unknown {
  const inner = isLoose(element) ? element["elem"] : null;
  return isLoose(inner) ? inner["val"] : element;
}
