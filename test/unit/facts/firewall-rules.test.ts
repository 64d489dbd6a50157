// What is made of an nft that does not answer as it should: a program of its name stands before it in the PATH.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { readBaseRules } from "../../../src/facts/firewall-rules.ts";

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
    const rules = await readBaseRules(signal);
    assert.ok(rules.known);
    assert.doesNotMatch(rules.value.nftables ?? "", /forward/);
  });

  it("leaves the rules unknown when nft fails otherwise", async () => {
    await placeNft("echo 'netlink: Error: cache initialization failed: Too many open files' >&2; exit 1");
    const rules = await readBaseRules(signal);
    assert.ok(!rules.known);
    assert.match(rules.reason, /Too many open files/);
  });
});
