// What shall be counted and what is in the table -> the input of `nft -f -`. Pure. What is counted already is not touched:
// a peer that comes or goes is an element more or less, and the counters of all others go on.

import type { Prefix } from "../base/ip.ts";
import { type Counted, DIRECTIONS, type Direction, maskOf, parseSetName, type SetName, setName } from "./counted.ts";
import { CHAINS, type PresentTable } from "./table.ts";

export interface TrafficPlan {
  /** Empty when there is nothing to do. One transaction. */
  readonly script: string;
  /** What is there once that was done. */
  readonly then: PresentTable;
}

/** `present`: null when there is no table, or one that is not ours to go on with: it is made anew. */
export function planTraffic(table: string, want: Counted, present: PresentTable | null): TrafficPlan {
  const sets = wantedSets(want, present);
  const then = { sets, rules: wantedRules(want, sets, present) };
  const name = `inet ${table}`;
  const lines = [
    ...(present ? [] : createTable(name)),
    ...createSets(name, sets, present),
    ...DIRECTIONS.flatMap((direction) => replaceRules(name, direction, want, then, present)),
    ...[...sets].flatMap(([set, subnets]) => changeElements(`${name} ${set}`, subnets, present?.sets.get(set))),
    ...[...(present?.sets.keys() ?? [])].filter((set) => !sets.has(set)).map((set) => `delete set ${name} ${set}`),
  ];
  return { script: lines.length === 0 ? "" : `${lines.join("\n")}\n`, then };
}

function wantedSets({ subnets, complete }: Counted, present: PresentTable | null): Map<SetName, Set<Prefix>> {
  const kept = complete ? [] : [...(present?.sets ?? [])];
  const sets = new Map(kept.map(([name, subnets]) => [name, new Set(subnets)]));
  for (const direction of DIRECTIONS) {
    for (const subnet of subnets) {
      const name = setName(direction, subnet);
      const set = sets.get(name) ?? new Set();
      sets.set(name, set.add(subnet));
    }
  }
  return sets;
}

/** A rule is known by what it says of itself: every nft prints the same thing otherwise. */
function wantedRules(
  { devices, complete }: Counted,
  sets: ReadonlyMap<SetName, unknown>,
  present: PresentTable | null,
): PresentTable["rules"] {
  // Nothing is known of the peers' devices yet.
  if (present && devices.length === 0 && !complete) return present.rules;
  const on = devices.toSorted().join(", ");
  const of = (direction: Direction) =>
    devices.length === 0 ? [] : setsOf(direction, sets).map((set) => `${set} on ${on}`.slice(0, LONGEST_COMMENT));
  return { received: of("received"), sent: of("sent") };
}

/** nft: in bytes, its end included. */
const LONGEST_COMMENT = 127;

function setsOf(direction: Direction, sets: ReadonlyMap<SetName, unknown>): readonly SetName[] {
  return [...sets.keys()].filter((name) => parseSetName(name)?.direction === direction).toSorted();
}

/** The first line makes sure that the second has something to delete. */
function createTable(name: string): readonly string[] {
  return [
    `add table ${name}`,
    `delete table ${name}`,
    `table ${name} {`,
    '\tcomment "flanneld --peer-traffic"',
    ...DIRECTIONS.flatMap((direction) => {
      const { hook, priority } = CHAINS[direction];
      return [`\tchain ${direction} {`, `\t\ttype filter hook ${hook} priority ${priority}; policy accept;`, "\t}"];
    }),
    "}",
  ];
}

function createSets(
  name: string,
  sets: ReadonlyMap<SetName, unknown>,
  present: PresentTable | null,
): readonly string[] {
  return [...sets.keys()]
    .filter((set) => !present?.sets.has(set))
    .map((set) => `add set ${name} ${set} { type ${parseSetName(set)?.family}_addr; counter; }`);
}

function replaceRules(
  name: string,
  direction: Direction,
  { devices }: Counted,
  then: PresentTable,
  present: PresentTable | null,
): readonly string[] {
  const [want, have] = [then.rules[direction], present?.rules[direction] ?? []];
  if (want.length === have.length && want.every((rule, index) => rule === have[index])) return [];
  const rules = setsOf(direction, then.sets).map(
    (set, index) => `add rule ${name} ${direction} ${formatMatch(set, direction, devices)} comment "${want[index]}"`,
  );
  return [...(have.length > 0 ? [`flush chain ${name} ${direction}`] : []), ...(want.length > 0 ? rules : [])];
}

/** The subnets of a set are of one length, so that a look by hash finds the one of an address. */
function formatMatch(set: SetName, direction: Direction, devices: readonly string[]): string {
  const facts = parseSetName(set);
  const { device, field } = CHAINS[direction];
  const names = devices.toSorted().map((name) => `"${name}"`);
  const on = names.length === 1 ? names[0] : `{ ${names.join(", ")} }`;
  const protocol = facts?.family === "ipv6" ? "ip6" : "ip";
  return `${device} ${on} ${protocol} ${field} & ${facts && maskOf(facts)} @${set}`;
}

function changeElements(
  set: string,
  want: ReadonlySet<Prefix>,
  have: ReadonlySet<Prefix> = new Set(),
): readonly string[] {
  const change = (verb: "add" | "delete", subnets: readonly Prefix[]) =>
    subnets.length === 0 ? [] : [`${verb} element ${set} { ${subnets.map(addressOf).join(", ")} }`];
  return [
    ...change(
      "delete",
      [...have].filter((subnet) => !want.has(subnet)),
    ),
    ...change(
      "add",
      [...want].filter((subnet) => !have.has(subnet)),
    ),
  ];
}

function addressOf(subnet: Prefix): string {
  return subnet.slice(0, subnet.indexOf("/"));
}
