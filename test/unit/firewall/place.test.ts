import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isError } from "../../../src/base/errors.ts";
import { iptablesPlace, nftAccepts, nftPlace, parseVersion, probeIptables } from "../../../src/firewall/place.ts";
import type { RunTool, ToolResult } from "../../../src/firewall/tool.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { BOTH, isOurs, rulesOf } from "../../support/firewall.ts";

const WANT = rulesOf(BOTH);
const RECENT = { kind: "nft", recent: true } as const;
const { signal } = new AbortController();

function ended(stdout: string, status = 0, stderr = ""): ToolResult {
  return { kind: "ended", status, stdout, stderr };
}

/** Programs that give these answers, one after the other. */
function host(...answers: readonly (ToolResult | Promise<ToolResult>)[]) {
  const calls: (readonly [string, string])[] = [];
  const left = [...answers];
  const runTool: RunTool = async (command, input, signal) => {
    calls.push([command.join(" "), input]);
    const answer = left.shift() ?? assert.fail(`unexpected: ${command.join(" ")}`);
    return await Promise.race([
      answer,
      new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    ]);
  };
  const clock = createFakeClock();
  return { deps: { runTool, clock }, clock, calls };
}

describe("a place of iptables", () => {
  it("is read by one program and written by one, which waits for the lock", async () => {
    const { deps, calls } = host(ended(""), ended(""));
    const settled = await iptablesPlace("ipv4", "", RECENT, deps).settle(WANT, isOurs, signal);
    assert.deepEqual(settled, { changed: true, shadow: null });
    assert.deepEqual(
      calls.map(([command]) => command),
      ["iptables-save", "iptables-restore --noflush --wait 5"],
    );
    assert.match(calls[1]?.[1] ?? "", /^\*nat\n[\s\S]*COMMIT\n\*filter\n[\s\S]*COMMIT\n$/);
  });

  it("is not written when nothing differs", async () => {
    const first = host(ended(""), ended(""));
    await iptablesPlace("ipv4", "", RECENT, first.deps).settle(WANT, isOurs, signal);
    const second = host(ended(first.calls[1]?.[1] ?? ""));
    const settled = await iptablesPlace("ipv4", "", RECENT, second.deps).settle(WANT, isOurs, signal);
    assert.deepEqual([settled, second.calls.length], [{ changed: false, shadow: null }, 1]);
  });

  it("does not ask an old iptables-restore to wait, which does not know how", async () => {
    const { deps, calls } = host(ended(""), ended(""));
    await iptablesPlace("ipv6", "-legacy", { kind: "legacy", recent: false }, deps).settle(WANT, isOurs, signal);
    assert.equal(calls[1]?.[0], "ip6tables-legacy-restore --noflush");
  });

  it("says what the program said when it failed", async () => {
    const { deps } = host(ended(""), ended("", 4, "Another app is currently holding the xtables lock.\nmore\n"));
    await assert.rejects(iptablesPlace("ipv4", "", RECENT, deps).settle(WANT, isOurs, signal), (error) => {
      assert.ok(isError(error, "firewall.failed"));
      const text = "iptables-restore failed: exit status 4: Another app is currently holding the xtables lock.";
      assert.equal(error.message, text);
      return true;
    });
  });

  it("gives up a program that hangs", async () => {
    const { deps, clock } = host(new Promise<ToolResult>(() => {}));
    const settling = iptablesPlace("ipv4", "", RECENT, deps).settle(WANT, isOurs, signal);
    const failed = assert.rejects(settling, (error) => isError(error, "firewall.failed"));
    await clock.advance(60_000);
    await failed;
  });

  it("is nowhere when there is no such program", async () => {
    const { deps } = host({ kind: "missing" }, { kind: "missing" });
    assert.equal(await iptablesPlace("ipv4", "", RECENT, deps).settle(WANT, isOurs, signal), null);
    assert.equal(await probeIptables("ipv4", "", deps, signal), null);
  });
});

describe("the version of iptables", () => {
  const versions: readonly (readonly [string, "nft" | "legacy", boolean])[] = [
    ["iptables-restore v1.8.9 (nf_tables)\n", "nft", true],
    ["iptables-restore v1.8.9 (legacy)\n", "legacy", true],
    ["iptables-restore v1.6.2\n", "legacy", true],
    ["iptables-restore v1.6.1\n", "legacy", false],
    ["iptables-restore v1.4.21\n", "legacy", false],
    ["iptables-restore v1.10.0 (nf_tables)\n", "nft", true],
    ["iptables-restore v2.0.0 (nf_tables)\n", "nft", true],
    ["what?\n", "legacy", false],
  ];
  for (const [text, kind, recent] of versions) {
    it(`${text.trim()} says ${kind}, ${recent ? "recent" : "old"}`, () => {
      assert.deepEqual(parseVersion(text), { kind, recent });
    });
  }
});

describe("a place of nft", () => {
  it("is read by one program and written by one", async () => {
    const absent = ended("", 1, "Error: No such file or directory\nlist table ip flannel-ipv4\n");
    const { deps, calls } = host(absent, ended(""));
    assert.deepEqual(await nftPlace("ipv4", deps).settle(WANT, isOurs, signal), { changed: true, shadow: null });
    assert.deepEqual(
      calls.map(([command]) => command),
      ["nft -j list table ip flannel-ipv4", "nft -f -"],
    );
  });

  it("does not take every failure for an absent table", async () => {
    const { deps } = host(ended("", 1, "Error: JSON support not compiled-in\n"));
    await assert.rejects(nftPlace("ipv4", deps).settle(WANT, isOurs, signal), /JSON support not compiled-in/);
  });

  for (const printed of ["", "{}\n}", '{"nftables": [']) {
    it(`is tried again where nft prints ${JSON.stringify(printed)} and calls that a success`, async () => {
      const { deps, calls } = host(ended(printed));
      await assert.rejects(nftPlace("ipv4", deps).settle(WANT, isOurs, signal), (error) =>
        isError(error, "firewall.failed"),
      );
      assert.equal(calls.length, 1, "nothing is written on what is not known");
    });
  }

  it("is asked in a dry run whether it accepts rules", async () => {
    const { deps, calls } = host(ended(""), ended("", 1), { kind: "missing" });
    const accepts = () => nftAccepts("ipv4", WANT, deps, signal);
    assert.deepEqual([await accepts(), await accepts(), await accepts()], [true, false, false]);
    assert.equal(calls[0]?.[0], "nft --check -f -");
  });
});
