// What is asked of nft, and made of one that does not answer as it should: a program of its name stands before it in the
// PATH.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { checkInputRules } from "../../../src/check/firewall-checks.ts";
import { readNftChains } from "../../../src/check/nft-rules.ts";
import { readBaseRules } from "../../../src/facts/firewall-rules.ts";
import { wellFacts } from "../../support/well-facts.ts";

const { signal } = new AbortController();
const CHAIN = { family: "inet", table: "fw", name: "c", handle: 1, type: "filter", hook: "forward", prio: 0 };
const LISTED = JSON.stringify({ nftables: [{ chain: { ...CHAIN, policy: "drop" } }] });
const path = process.env["PATH"];
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flanneld-nft-"));
  process.env["PATH"] = `${directory}:${path}`;
  for (const tool of ["iptables", "iptables-nft", "iptables-legacy"]) await place(`${tool}-save`, "exit 0");
});
afterEach(async () => {
  process.env["PATH"] = path;
  await rm(directory, { recursive: true, force: true });
});

async function place(name: string, script: string): Promise<void> {
  await writeFile(join(directory, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

/** Lists the chain, and has this to say when it is asked for the chain itself. */
async function placeNft(script: string): Promise<void> {
  await place("nft", `if [ "$3" = chains ]; then echo '${LISTED}'; exit 0; fi\n${script}`);
}

describe("a chain that cannot be read", () => {
  it("drops nothing when it has gone since it was listed", async () => {
    await placeNft("echo 'Error: No such file or directory' >&2; exit 1");
    const rules = await readBaseRules(["ipv4"], signal);
    assert.ok(rules.known);
    assert.doesNotMatch(rules.value.nftables ?? "", /forward/);
  });

  it("leaves the rules unknown when nft fails otherwise", async () => {
    await placeNft("echo 'netlink: Error: cache initialization failed: Too many open files' >&2; exit 1");
    const rules = await readBaseRules(["ipv4"], signal);
    assert.ok(!rules.known);
    assert.match(rules.reason, /Too many open files/);
  });
});

describe("the sets that chains name", () => {
  const chains = Array.from({ length: 12 }, (_, index) => `c${index}`);

  /** Each chain drops what is in these sets, each of which holds the port. Returns what nft was asked for. */
  async function placeSets(setsOf: (chain: number) => readonly string[]): Promise<() => Promise<readonly string[]>> {
    const asked = join(directory, "asked");
    const base = (name: string) => ({ chain: { ...CHAIN, name, hook: "input", policy: "accept" } });
    // The first leads to the last, which is met by nothing else.
    const items = chains.map((name) =>
      name === "c11" ? { chain: { family: "inet", table: "fw", name } } : base(name),
    );
    const jump = {
      rule: { family: "inet", table: "fw", chain: "c0", handle: 99, expr: [{ jump: { target: "c11" } }] },
    };
    const left = { payload: { protocol: "udp", field: "dport" } };
    const listings = chains.map((name, index) => {
      const rules = setsOf(index).map((set, handle) => {
        const expr = [{ match: { op: "==", left, right: `@${set}` } }, { drop: null }];
        return { rule: { family: "inet", table: "fw", chain: name, handle, expr } };
      });
      return `"chain inet fw ${name}") echo '${JSON.stringify({ nftables: [items[index], ...rules, ...(index === 0 ? [jump] : [])] })}';;`;
    });
    const set = JSON.stringify({ nftables: [{ set: { family: "inet", table: "fw", name: "NAME", elem: [8472] } }] });
    await place(
      "nft",
      `echo "$*" >> ${asked}
shift 2
case "$*" in
chains) echo '${JSON.stringify({ nftables: items })}';;
${listings.join("\n")}
"set inet fw "*) echo '${set}' | sed "s/NAME/$4/";;
*) exit 1;;
esac`,
    );
    return async () => (await readFile(asked, "utf8")).trim().split("\n");
  }

  const setsAsked = (lines: readonly string[]) =>
    lines.flatMap((line) => /^-j list set inet fw (\S+)$/.exec(line)?.[1] ?? []);

  it("are read once each, whoever names them", async () => {
    const asked = await placeSets((chain) => ["shared", `own${chain % 2}`]);
    const rules = await readBaseRules(["ipv4"], signal);
    assert.ok(rules.known, JSON.stringify(rules));
    assert.deepEqual(setsAsked(await asked()).toSorted(), ["own0", "own1", "shared"]);
    assert.match(checkInputRules(wellFacts({ rules })).sentence, /is dropped here: nftables inet fw c0$/);
  });

  it("are read up to a limit for all chains together, and what is in the others nobody knows", async () => {
    const asked = await placeSets((chain) => [`a${chain}`, `b${chain}`]);
    const rules = await readBaseRules(["ipv4"], signal);
    assert.ok(rules.known, JSON.stringify(rules));
    assert.deepEqual(setsAsked(await asked()).toSorted(), ["a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3"]);
    assert.equal((await asked()).length, 1 + chains.length + 8);
    const [unread] = readNftChains(rules.value.nftables).filter(({ name }) => name === "c11");
    assert.deepEqual(
      unread?.rules.map(({ matches }) => matches.at(-1)?.match.kind),
      ["unknown", "unknown"],
    );
  });
});
