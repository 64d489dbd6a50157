// The rules of others as the real tools print them: what a running daemon reads says of a drop what the whole ruleset says.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { run } from "../../lab/run.ts";
import { type Facts, NO_IPV4_NETWORK, type RuleFacts, unknown } from "../../src/check/facts.ts";
import { checkForwardRules, checkInputRules } from "../../src/check/firewall-checks.ts";
import { readNftChains } from "../../src/check/nft-rules.ts";
import { readBaseRules, readRules } from "../../src/facts/firewall-rules.ts";
import { IPV6_NETWORK } from "../support/dual-stack.ts";
import { whyNotHere } from "../support/namespace.ts";
import { wellFacts } from "../support/well-facts.ts";

const { signal } = new AbortController();

const RULES = `
table inet fw {
  chain many { udp dport 8472 drop; }
  chain input { type filter hook input priority 0; policy accept; udp dport { 53, 8472 } drop; }
  chain forward { type filter hook forward priority 10; policy drop; ct state established accept; ip saddr 10.0.0.1 accept; }
  chain output { type filter hook output priority 0; policy drop; }
}`;

/** Each for packets that are none of the overlay's, or that may be. */
const OF_OTHERS = `
flush ruleset
table inet fw {
  chain input {
    type filter hook input priority 0; policy accept;
    tcp dport != 22 drop; tcp sport != 22 drop;
    icmp type != echo-request drop; icmpv6 type != echo-request drop;
    ip6 saddr != fd00::/8 drop; ip6 nexthdr != tcp drop;
    meta l4proto tcp reject with tcp reset; reject with icmpv6 no-route;
  }
  chain forward { type filter hook forward priority 0; policy drop; udp dport != 53 drop; meta l4proto { tcp, udp, icmp } accept; }
  chain nobodys { udp dport 8472 drop; }
}
table ip fw {
  chain input { type filter hook input priority 0; reject with tcp reset; }
}
table arp fw {
  chain input { type filter hook input priority 0; policy drop; }
}`;

const IPV6 = { families: ["ipv6"], network: unknown(NO_IPV4_NETWORK), network6: IPV6_NETWORK.ipv6 } as const;

/** Of a network of IPv4, unless another is given. */
async function sentences(read: typeof readRules, network: Partial<Facts> = {}): Promise<readonly string[]> {
  const facts = wellFacts({ ...network, rules: await read(network.families ?? ["ipv4"], signal) });
  return [checkForwardRules(facts), checkInputRules(facts)].map(({ verdict, sentence }) => `${verdict}: ${sentence}`);
}

function judged(told: readonly string[]): readonly (string | undefined)[] {
  return told.map((said) => said.split(":")[0]);
}

async function rulesOf(read: typeof readRules): Promise<RuleFacts> {
  const found = await read(["ipv4"], signal);
  assert.ok(found.known);
  return found.value;
}

describe("the firewall rules of a host", { skip: whyNotHere() }, () => {
  it("are judged by the base chains as by the whole ruleset, and only those are read", async () => {
    await run(["nft", RULES], {}, signal);
    await run(["iptables", "-A", "INPUT", "-p", "udp", "--dport", "53", "-j", "DROP"], {}, signal);
    const told = await sentences(readBaseRules);
    assert.deepEqual(told, await sentences(readRules));
    assert.match(told[0] ?? "", /^fail: the nftables chain inet fw forward drops what is forwarded/);
    assert.match(told[1] ?? "", /^fail: UDP port 8472.* is dropped here: nftables inet fw input$/);
    const { nftables, iptables } = await rulesOf(readBaseRules);
    assert.deepEqual(
      readNftChains(nftables)
        .map(({ table, name, rules }) => `${table} ${name} ${rules.length}`)
        .toSorted(),
      ["inet fw forward 2", "inet fw input 1", "inet fw output 0"],
    );
    assert.ok(nftables?.includes('"name":"input"') && !nftables.includes('"many"'), nftables ?? "");
    assert.deepEqual(Object.keys(iptables), Object.keys((await rulesOf(readRules)).iptables));
    assert.match(iptables["iptables"] ?? "", /--dport 53 -j DROP/);
  });

  it("are judged by chains that others jump to, too, and by what is sent", async () => {
    const breaks = [
      "chain sub { udp dport 8472 drop; }\n chain in { type filter hook input priority 0; policy accept; jump sub; }",
      "chain out { type filter hook output priority 0; policy accept; udp dport 8472 drop; }",
      `chain svc { tcp dport { 22, 2379 } accept; ip protocol icmp accept; return; }
       chain in { type filter hook input priority 0; policy drop; ct state established,related accept; jump svc; }`,
      `set blocked { type inet_service; flags interval; elements = { 53, 8000-9000 }; }
       chain in { type filter hook input priority 0; policy accept; udp dport @blocked drop; }`,
      `map zones { type ifname : verdict; elements = { "eth0" : jump zone, "lo" : accept }; }
       chain zone { udp dport { 53, 8472 } drop; }
       chain in { type filter hook input priority 0; policy accept; iifname vmap @zones; }`,
    ];
    for (const broken of breaks) {
      await run(["nft", "flush", "ruleset"], {}, signal);
      await run(["nft", `table inet fw {\n${broken}\n}`], {}, signal);
      const told = await sentences(readBaseRules);
      assert.match(told[1] ?? "", /^fail: UDP port 8472/, broken);
      assert.deepEqual(told, await sentences(readRules), broken);
    }
  });

  for (const [tool, named] of [
    ["ip6tables-nft", "ip6tables"],
    ["ip6tables-legacy", "ip6tables-legacy"],
  ] as const) {
    it(`are judged by ${tool} in a network of IPv6, and there alone`, async () => {
      const breaks = [
        ["-P FORWARD DROP", "-P FORWARD ACCEPT", "forwarded", `the policy of FORWARD is DROP in ${named},`],
        ["-A INPUT -p udp --dport 8472 -j DROP", "-F INPUT", "taken in", `is dropped here: ${named} -t filter`],
        ["-t raw -A PREROUTING -s fd00:5::/48 -j DROP", "-t raw -F", "forwarded", `of the overlay: ${named} -t raw`],
      ] as const;
      await run(["nft", "flush", "ruleset"], {}, signal);
      for (const [broken, mended, what, said] of breaks) {
        await run([tool, ...broken.split(" ")], {}, signal);
        const told = await sentences(readBaseRules, IPV6);
        assert.ok(told[what === "forwarded" ? 0 : 1]?.includes(said), told.join("\n"));
        assert.deepEqual(await sentences(readRules, IPV6), told);
        assert.deepEqual(judged(await sentences(readBaseRules)), ["ok", "ok"]);
        await run([tool, ...mended.split(" ")], {}, signal);
        assert.deepEqual(judged(await sentences(readBaseRules, IPV6)), ["ok", "ok"]);
      }
    });
  }

  it("are judged at the interface where they are, before all other hooks and behind them", async () => {
    await run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1"], {}, signal);
    const drop = "policy accept; udp dport 8472 drop;";
    const breaks = [
      ["netdev", `type filter hook ingress device eth0 priority 0; ${drop}`],
      ["netdev", `type filter hook ingress devices = { eth1, eth0 } priority 0; ${drop}`],
      ["netdev", `type filter hook egress device eth0 priority 0; ${drop}`],
      ["inet", `type filter hook ingress device eth0 priority 0; ${drop}`],
    ] as const;
    for (const [family, chain] of breaks) {
      for (const there of ["eth0", "eth1"]) {
        await run(["nft", "flush", "ruleset"], {}, signal);
        const lines = chain.replaceAll(/eth0/g, there).replace("eth1, eth1", "eth1");
        await run(["nft", `table ${family} fw {\nchain c {\n${lines}\n}\n}`], {}, signal);
        const told = await sentences(readBaseRules);
        const expected = there === "eth0" ? /^fail: UDP port 8472.* is dropped here: nftables \w+ fw c$/ : /^ok: /;
        assert.match(told[1] ?? "", expected, lines);
        assert.deepEqual(told, await sentences(readRules), lines);
      }
    }
    await run(["ip", "link", "del", "eth0"], {}, signal);
  });

  it("are read to an end where chains jump to very many", async () => {
    await run(["nft", "flush", "ruleset"], {}, signal);
    const services = Array.from({ length: 100 }, (_, index) => `svc${index}`);
    const chains = services.map((name) => `chain ${name} { udp dport 53 accept; }`).join("\n");
    const jumps = services.map((name) => `jump ${name};`).join(" ");
    const base = `chain in { type filter hook input priority 0; policy accept; ${jumps} }`;
    await run(["nft", `table inet fw {\n${chains}\n${base}\n}`], {}, signal);
    assert.ok(readNftChains((await rulesOf(readBaseRules)).nftables).length <= 24);
    for (const said of await sentences(readBaseRules)) assert.match(said, /^ok: /);
  });

  it("are not of the overlay where only their headers say so", async () => {
    await run(["nft", OF_OTHERS], {}, signal);
    for (const read of [readRules, readBaseRules]) {
      for (const said of await sentences(read)) assert.match(said, /^ok: /);
    }
  });

  it("are let through when nobody drops", async () => {
    await run(["nft", "flush", "ruleset"], {}, signal);
    for (const said of await sentences(readBaseRules)) assert.match(said, /^ok: /);
  });
});
