import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FlannelError } from "../../src/base/errors.ts";
import { parsePrefix4 } from "../../src/base/ip.ts";
import type { Options } from "../../src/cli/options.ts";
import { parseCommandLine } from "../../src/cli.ts";
import type { RunTool } from "../../src/firewall/tool.ts";
import { createHostFirewall, learnFirewall } from "../../src/host-firewall.ts";
import type { Ports } from "../../src/ports.ts";
import type { Subnet } from "../../src/subnet/lease.ts";
import { type NetworkConfig, parseNetworkConfig } from "../../src/subnet/network-config.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
import { createFakeRuleHints } from "../fakes/fake-rule-hints.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { goMasquerade, MASQ_JUMP, NETWORK, SUBNET } from "../support/firewall.ts";

function optionsOf(argv: string): Options {
  const command = parseCommandLine(argv.split(" "), {}, [], () => []);
  assert.equal(command.kind, "run");
  return command.options;
}

/** A host whose iptables-save prints this; what iptables-restore is given is kept. */
async function host(saved: string, readSubnetFile: Ports["readSubnetFile"]) {
  const scripts: string[] = [];
  const runTool: RunTool = async ([program = "", ...args], input) => {
    if (program === "nft" || /-(nft|legacy)-|ip6/.test(program)) return { kind: "missing" };
    if (program === "iptables-restore" && args[0] === "--noflush") scripts.push(input);
    const stdout = args[0] === "--version" ? "v1.8.9 (nf_tables)" : saved;
    return { kind: "ended", status: 0, stdout, stderr: "" };
  };
  const ports = {
    clock: createFakeClock(),
    random: createSeededRandom(1),
    log: createCapturedLog(),
    runTool,
    hasBridgeFilter: async () => true,
    watchRules: createFakeRuleHints().watchRules,
    ruleGeneration: () => null,
    readSubnetFile,
  } as Partial<Ports> as Ports;
  const stop = new AbortController();
  const options = optionsOf("-ip-masq -iptables-forward-rules=false");
  const learned = await learnFirewall(NETWORK, options, ports, stop.signal);
  const state: { network: NetworkConfig; subnet: Subnet } = { network: NETWORK, subnet: SUBNET };
  const firewall = createHostFirewall(learned, options, () => state, ports);
  const running = firewall.run(stop.signal);
  await firewall.tried(stop.signal);
  return {
    scripts,
    state,
    firewall,
    clock: ports.clock as ReturnType<typeof createFakeClock>,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}

const MASQ = goMasquerade("10.5.0.0/16", "10.5.7.0/24");
const OLD = goMasquerade("10.9.0.0/16", "10.9.1.0/24");
const SAVED = ["*nat", ":FLANNEL-POSTRTG - [0:0]", MASQ_JUMP, ...OLD, "COMMIT", ""].join("\n");

function rewritten(...rules: readonly string[]): string {
  return ["*nat", ":FLANNEL-POSTRTG - [0:0]", ...rules, "COMMIT", ""].join("\n");
}

describe("the firewall of a host", () => {
  it("takes the rules of the network in the last subnet file for ours", async () => {
    await using moved = await host(SAVED, async () => "FLANNEL_NETWORK=10.9.0.0/16\n");
    assert.deepEqual(moved.scripts, [rewritten(...MASQ)]);
  });

  it("takes those of a network that nobody knows for another daemon's", async () => {
    const unreadable = async () => {
      throw new FlannelError("file.unreadable", { path: "/x", purpose: "the subnet file", reason: "EIO" });
    };
    for (const readSubnetFile of [async () => null, unreadable]) {
      await using fresh = await host(SAVED, readSubnetFile);
      assert.deepEqual(fresh.scripts, [rewritten(...MASQ, ...OLD.slice(1))]);
    }
  });

  it("follows its subnet, and a network that grows, whose rules so far are ours", async () => {
    await using moved = await host("", async () => null);
    moved.firewall.poke();
    await moved.clock.advance(0);
    assert.deepEqual(
      moved.firewall.status(),
      { checks: 1, written: 1, repaired: 0 },
      "the rules are the same as before",
    );
    moved.state.subnet = { ...SUBNET, v4: parsePrefix4("10.5.8.0/24") };
    moved.firewall.poke();
    await moved.clock.advance(0);
    assert.match(moved.scripts.at(-1) ?? "", /-s 10\.5\.8\.0\/24 -d 10\.5\.0\.0\/16/);
    moved.state.network = parseNetworkConfig('{"Network": "10.4.0.0/15"}');
    moved.firewall.poke();
    await moved.clock.advance(0);
    assert.match(moved.scripts.at(-1) ?? "", /-s 10\.5\.8\.0\/24 -d 10\.4\.0\.0\/15/);
    assert.deepEqual(moved.firewall.status(), { checks: 3, written: 3, repaired: 0 });
  });

  it("takes the rules of the network before it grew for ours", async () => {
    const saved = SAVED.replaceAll("10.9.", "10.4.");
    await using grown = await host(saved, async () => null);
    assert.match(grown.scripts.at(-1) ?? "", /10\.4\./, "not yet");
    grown.state.network = parseNetworkConfig('{"Network": "10.4.0.0/15"}');
    grown.firewall.poke();
    await grown.clock.advance(0);
    assert.doesNotMatch(grown.scripts.at(-1) ?? "", /10\.4\.\d+\.\d+\/(16|24)/);
  });
});
