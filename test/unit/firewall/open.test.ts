import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { exitStatusOf, isError } from "../../../src/base/errors.ts";
import { type FirewallOptions, openFirewall } from "../../../src/firewall/open.ts";
import type { RunTool } from "../../../src/firewall/tool.ts";
import { type NetworkConfig, parseNetworkConfig } from "../../../src/subnet/network-config.ts";
import { createCapturedLog } from "../../fakes/captured-log.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { DUAL_STACK, NETWORK } from "../../support/firewall.ts";

const { signal } = new AbortController();
const ALL: FirewallOptions = { masquerade: true, forward: true, random: true };
const NFTABLES = parseNetworkConfig('{"Network": "10.5.0.0/16", "EnableNFTables": true}');

/** A host with these programs, and what they say; nft refuses what has this text. */
function host(programs: Readonly<Record<string, string>>, refuses = "\0", hasBridgeFilter = true) {
  const log = createCapturedLog();
  const runTool: RunTool = async ([program = ""], input) => {
    const stdout = programs[program];
    if (stdout === undefined) return { kind: "missing" };
    return { kind: "ended", status: input.includes(refuses) ? 1 : 0, stdout, stderr: "" };
  };
  const deps = { runTool, clock: createFakeClock(), log, hasBridgeFilter: async () => hasBridgeFilter };
  return { log, open: (network: NetworkConfig, options = ALL) => openFirewall(network, options, deps, signal) };
}

const NFT = "iptables-restore v1.8.9 (nf_tables)";
const LEGACY = "iptables-restore v1.8.9 (legacy)";
const DEBIAN = {
  "iptables-restore": NFT,
  "iptables-nft-restore": NFT,
  "iptables-legacy-restore": LEGACY,
  "ip6tables-restore": NFT,
  "ip6tables-nft-restore": NFT,
  "ip6tables-legacy-restore": LEGACY,
  nft: "nftables v1.0.6",
};

describe("openFirewall()", () => {
  it("keeps rules by the host's own iptables, and finds every other place where some may be left", async () => {
    const tools = await host(DEBIAN).open(NETWORK);
    assert.deepEqual(
      [tools.places.map(({ name }) => name), tools.random, (await tools.former(signal)).map(({ name }) => name)],
      [["iptables"], true, ["nft ip", "nft ip6", "iptables-legacy", "ip6tables", "ip6tables-legacy"]],
    );
  });

  it("keeps rules of both families when the network has both", async () => {
    const tools = await host(DEBIAN).open(DUAL_STACK);
    assert.deepEqual(
      [tools.places.map(({ name }) => name), (await tools.former(signal)).map(({ name }) => name)],
      [
        ["iptables", "ip6tables"],
        ["nft ip", "nft ip6", "iptables-legacy", "ip6tables-legacy"],
      ],
    );
  });

  it("keeps rules by nft when the config says so", async () => {
    const tools = await host(DEBIAN).open(NFTABLES);
    assert.deepEqual(
      [tools.places.map(({ name }) => name), tools.random, (await tools.former(signal)).map(({ name }) => name)],
      [["nft ip"], true, ["nft ip6", "iptables", "iptables-legacy", "ip6tables", "ip6tables-legacy"]],
    );
  });

  it("chooses ports at random only where that is known to work, and allowed", async () => {
    const old = { ...DEBIAN, "iptables-restore": "iptables-restore v1.6.1" };
    assert.equal((await host(old).open(NETWORK)).random, false);
    assert.equal((await host(DEBIAN, "fully-random").open(NFTABLES)).random, false);
    const forbidden = { ...ALL, random: false };
    for (const network of [NETWORK, NFTABLES]) {
      assert.equal((await host(DEBIAN).open(network, forbidden)).random, false);
    }
  });

  const missing: readonly (readonly [NetworkConfig, string])[] = [
    [NETWORK, "--ip-masq needs iptables-restore, which is not in the PATH: install iptables, or set EnableNFTables"],
    [NFTABLES, "--ip-masq needs nft, which is not in the PATH: install nftables, or set EnableNFTables to false"],
  ];
  for (const [network, sentence] of missing) {
    it(`refuses to start: ${sentence}`, async () => {
      await assert.rejects(host({}).open(network), (error) => {
        assert.ok(isError(error, "firewall.missing"));
        assert.ok(error.message.startsWith(sentence), error.message);
        assert.equal(exitStatusOf(error), 78);
        return true;
      });
    });
  }

  it("only warns when the forward rules, which are on by default, cannot be had", async () => {
    for (const network of [NETWORK, NFTABLES]) {
      const { log, open } = host({});
      await open(network, { ...ALL, masquerade: false });
      assert.deepEqual(log.messages(), ["forwarded traffic of the overlay network is not accepted by rules of ours"]);
      await open(network, { ...ALL, masquerade: false, forward: false });
      assert.equal(log.messages().length, 1);
    }
  });

  it("warns when packets on a bridge do not pass iptables, and not when there is no iptables to pass", async () => {
    const { log, open } = host(DEBIAN, "\0", false);
    await open(NETWORK);
    assert.match(log.messages().join(), /containers of this host do not pass iptables/);
    await open(NFTABLES);
    assert.equal(log.messages().length, 1);
  });
});
