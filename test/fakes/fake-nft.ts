// nft as far as traffic is counted with it: tables with sets and rules, transactions, what the kernel announces of them,
// and JSON. What a rule does is not here; the test says what was counted.

import type { RuleHint } from "../../src/firewall/hints.ts";
import type { RunTool, ToolResult } from "../../src/firewall/tool.ts";

interface Counter {
  packets: number;
  bytes: number;
}

interface Table {
  readonly sets: Map<string, Map<string, Counter>>;
  /** The comments of the rules, by chain. */
  readonly chains: Map<string, string[]>;
}

type Announce = (hint: RuleHint) => void;

export interface FakeNft {
  readonly runTool: RunTool;
  /** What was run: "list", "change", "delete". */
  readonly calls: string[];
  readonly tables: Map<string, Table>;
  /** In place of the program's answer. */
  answer: ToolResult | Promise<ToolResult> | null;
  /** Whether the kernel gives elements counters. */
  isCounting: boolean;
  /** What a version of nft makes of the JSON. */
  print: (json: string) => string;
  /** What somebody else does right after a transaction. */
  afterChange: () => void;
  count(table: string, set: string, address: string, packets: number, bytes: number): void;
}

const HOOKS: Readonly<Record<string, { readonly hook: string; readonly prio: number }>> = {
  received: { hook: "prerouting", prio: -300 },
  sent: { hook: "postrouting", prio: 300 },
};

/** `announce`: what a transaction changes, as whoever listens to the kernel hears it. */
export function createFakeNft(announce: Announce = () => {}): FakeNft {
  const fake: FakeNft = {
    calls: [],
    tables: new Map(),
    answer: null,
    isCounting: true,
    print: (json) => json,
    afterChange: () => {},
    count(table, set, address, packets, bytes) {
      fake.tables.get(table)?.sets.get(set)?.set(address, { packets, bytes });
    },
    async runTool(command, input, signal) {
      const [, verb = ""] = command;
      fake.calls.push(verb === "-f" ? "change" : verb === "-j" ? "list" : verb);
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
      if (fake.answer) return await Promise.race([fake.answer, aborted]);
      if (verb === "-j") return list(fake, command.at(-1) ?? "");
      const result = commit(fake, verb === "-f" ? input : command.slice(1).join(" "), announce);
      fake.afterChange();
      return result;
    },
  };
  return fake;
}

function ended(stdout: string): ToolResult {
  return { kind: "ended", status: 0, stdout, stderr: "" };
}

function absent(what: string): ToolResult {
  const stderr = `Error: Could not process rule: No such file or directory\n${what}\n`;
  return { kind: "ended", status: 1, stdout: "", stderr };
}

function list({ tables, isCounting, print }: FakeNft, name: string): ToolResult {
  const table = tables.get(name);
  if (!table) return absent(name);
  const where = { family: "inet", table: name };
  const elements = (set: ReadonlyMap<string, Counter>) =>
    [...set].map(([val, counter]) => (isCounting ? { elem: { val, counter } } : val));
  const json = JSON.stringify({
    nftables: [
      { metainfo: { version: "1.0.6", json_schema_version: 1 } },
      { table: { family: "inet", name, handle: 1, comment: "flanneld --peer-traffic" } },
      ...[...table.sets].map(([set, held]) => ({
        set: { ...where, name: set, type: `${set.split("-")[1]}_addr`, elem: elements(held) },
      })),
      ...[...table.chains.keys()].map((chain) => ({
        chain: { ...where, name: chain, type: "filter", ...HOOKS[chain], policy: "accept" },
      })),
      ...[...table.chains].flatMap(([chain, rules]) =>
        rules.map((comment) => ({ rule: { ...where, chain, comment, expr: [] } })),
      ),
    ],
  });
  return ended(print(json));
}

/** Kernel: every change is announced, but what comes to a set is no hint, and neither is the set. */
function hintsOf(script: string): readonly RuleHint[] {
  return script.split("\n").flatMap((line) => {
    const [, verb, what, table = "", object = null] = /^(\w+) (\w+) inet (\S+)(?: (\S+))?/.exec(line) ?? [];
    if (what === undefined) return [];
    const isOfSet = what === "set" || what === "element";
    return isOfSet && verb === "add" ? [] : [{ table, chain: isOfSet ? "" : object }];
  });
}

/** All of it or nothing. */
function commit(fake: FakeNft, script: string, announce: Announce): ToolResult {
  const tables = structuredClone(fake.tables);
  let inTable: Table | null = null;
  for (const line of script.split("\n").filter((line) => line !== "")) {
    const opened = /^table inet (\S+) \{$/.exec(line);
    const chain = /^\tchain (\S+) \{$/.exec(line)?.[1];
    if (opened) {
      inTable = tables.get(opened[1] ?? "") ?? { sets: new Map(), chains: new Map() };
      tables.set(opened[1] ?? "", inTable);
    } else if (chain !== undefined) inTable?.chains.set(chain, []);
    else if (!line.startsWith("\t") && line !== "}" && !carryOut(line, tables)) return absent(line);
  }
  fake.tables.clear();
  for (const [name, table] of tables) fake.tables.set(name, table);
  hintsOf(script).forEach(announce);
  return ended("");
}

/** False when what it names is not there. */
function carryOut(line: string, tables: Map<string, Table>): boolean {
  const [verb = "", what = "", , name = "", object = ""] = line.split(" ");
  if (what === "table") return addOrDelete(verb, name, tables, () => ({ sets: new Map(), chains: new Map() }));
  const table = tables.get(name);
  if (!table) return false;
  if (what === "set") return addOrDelete(verb, object, table.sets, () => new Map());
  if (what === "element") return changeElements(verb === "add", line, table.sets.get(object));
  const rules = table.chains.get(object);
  if (verb === "flush") rules?.splice(0);
  else rules?.push(/comment "([^"]*)"$/.exec(line)?.[1] ?? "");
  return rules !== undefined;
}

function addOrDelete<T>(verb: string, name: string, among: Map<string, T>, create: () => T): boolean {
  if (verb === "delete") return among.delete(name);
  among.set(name, among.get(name) ?? create());
  return true;
}

function changeElements(adds: boolean, line: string, set: Map<string, Counter> | undefined): boolean {
  const [, text = ""] = /\{ (.*) \}$/.exec(line) ?? [];
  return text.split(", ").every((address) => {
    if (!adds) return set?.delete(address) ?? false;
    if (set && !set.has(address)) set.set(address, { packets: 0, bytes: 0 });
    return set !== undefined;
  });
}
