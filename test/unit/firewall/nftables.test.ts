import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { diffNftables, formatNftables } from "../../../src/firewall/nftables.ts";
import { NO_RULES } from "../../../src/firewall/rule.ts";
import { planRules } from "../../../src/firewall/wanted-rules.ts";
import { BOTH, DUAL_STACK, isOurs, rulesOf, SUBNET } from "../../support/firewall.ts";

const WANT = rulesOf(BOTH);

const HEAD = "add table ip flannel-ipv4\ndelete table ip flannel-ipv4\n";
const FORWARD = `\tchain forward {
		comment "chain to accept flannel traffic"
		type filter hook forward priority 0; policy accept;
		ip saddr 10.5.0.0/16 accept
		ip daddr 10.5.0.0/16 accept
	}
`;
const POSTRTG = `\tchain postrtg {
		comment "chain to manage traffic masquerading by flannel"
		type nat hook postrouting priority 100; policy accept;
		meta mark & 0x4000 == 0x4000 return
		ip saddr 10.5.7.0/24 ip daddr 10.5.0.0/16 return
		ip saddr 10.5.0.0/16 ip daddr 10.5.7.0/24 return
		ip saddr != 10.5.0.0/16 ip daddr 10.5.7.0/24 return
		ip saddr 10.5.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random
		ip saddr != 10.5.0.0/16 ip daddr 10.5.0.0/16 masquerade fully-random
	}
`;
const TABLE = `${HEAD}table ip flannel-ipv4 {\n\tcomment "rules for flannel-ipv4"\n${FORWARD}${POSTRTG}}\n`;

type Json = Readonly<Record<string, unknown>>;

const FORWARD_CHAIN = { name: "forward", type: "filter", hook: "forward", prio: 0, policy: "accept" };
const POSTRTG_CHAIN = { name: "postrtg", type: "nat", hook: "postrouting", prio: 100, policy: "accept" };

function prefix(text: string): unknown {
  const [addr, len] = text.split("/");
  return { prefix: { addr, len: Number(len) } };
}

function match(field: "saddr" | "daddr", op: "==" | "!=", right: unknown): Json {
  return { match: { op, left: { payload: { protocol: "ip", field } }, right } };
}

const MARK: Json = { match: { op: "==", left: { "&": [{ meta: { key: "mark" } }, 16384] }, right: 16384 } };

function forwardRules(net: string): readonly (readonly Json[])[] {
  return [
    [match("saddr", "==", prefix(net)), { accept: null }],
    [match("daddr", "==", prefix(net)), { accept: null }],
  ];
}

function masqueradeRules(net: string, pod: string, flags: unknown = "fully-random"): readonly (readonly Json[])[] {
  return [
    [MARK, { return: null }],
    [match("saddr", "==", prefix(pod)), match("daddr", "==", prefix(net)), { return: null }],
    [match("saddr", "==", prefix(net)), match("daddr", "==", prefix(pod)), { return: null }],
    [match("saddr", "!=", prefix(net)), match("daddr", "==", prefix(pod)), { return: null }],
    [match("saddr", "==", prefix(net)), match("daddr", "!=", prefix("224.0.0.0/4")), { masquerade: { flags } }],
    [match("saddr", "!=", prefix(net)), match("daddr", "==", prefix(net)), { masquerade: { flags } }],
  ];
}

function listed(
  chains: readonly (readonly [Json, readonly (readonly Json[])[]])[],
  more: readonly Json[] = [],
): string {
  const where = { family: "ip", table: "flannel-ipv4" };
  return JSON.stringify({
    nftables: [
      { metainfo: { version: "1.0.6" } },
      { table: { family: "ip", name: "flannel-ipv4", handle: 4 } },
      ...chains.map(([chain]) => ({ chain: { ...where, handle: 1, ...chain } })),
      ...more,
      ...chains.flatMap(([chain, rules]) =>
        rules.map((expr, at) => ({ rule: { ...where, chain: chain["name"], handle: at + 3, expr } })),
      ),
    ],
  });
}

const NET = "10.5.0.0/16";
const POD = "10.5.7.0/24";
const SETTLED = listed([
  [FORWARD_CHAIN, forwardRules(NET)],
  [POSTRTG_CHAIN, masqueradeRules(NET, POD)],
]);

function diff(text: string | null, want = WANT): string {
  return diffNftables(text, "ipv4", want, isOurs);
}

describe("diffNftables()", () => {
  it("makes the table in one transaction", () => {
    assert.equal(diff(null), TABLE);
    assert.equal(formatNftables("ipv4", WANT), TABLE);
  });

  it("writes nothing when all is as it should be, whatever the version of nft writes for one flag", () => {
    assert.equal(diff(SETTLED), "");
    const flags = masqueradeRules(NET, POD, ["fully-random"]);
    const newer = listed([
      [FORWARD_CHAIN, forwardRules(NET)],
      [POSTRTG_CHAIN, flags],
    ]);
    assert.equal(diff(newer), "");
  });

  const goRules: readonly (readonly Json[])[] = [
    [{ match: { op: "==", left: { meta: { key: "mark" } }, right: 16384 } }, { return: null }],
    ...masqueradeRules(NET, POD).slice(1, 3),
    [match("saddr", "!=", prefix(POD)), match("daddr", "==", prefix(NET)), { return: null }],
    ...masqueradeRules(NET, POD).slice(4),
  ];
  const masq = masqueradeRules(NET, POD);
  const upset: readonly (readonly [string, string])[] = [
    [
      "the rules of the Go daemon",
      listed([
        [FORWARD_CHAIN, forwardRules(NET)],
        [POSTRTG_CHAIN, goRules],
      ]),
    ],
    [
      "an old subnet",
      listed([
        [FORWARD_CHAIN, forwardRules(NET)],
        [POSTRTG_CHAIN, masqueradeRules(NET, "10.5.9.0/24")],
      ]),
    ],
    [
      "a flushed chain",
      listed([
        [FORWARD_CHAIN, forwardRules(NET)],
        [POSTRTG_CHAIN, []],
      ]),
    ],
    ["a chain that is missing", listed([[FORWARD_CHAIN, forwardRules(NET)]])],
    [
      "a counter in a rule",
      listed([
        [FORWARD_CHAIN, forwardRules(NET).map((rule) => [{ counter: {} }, ...rule])],
        [POSTRTG_CHAIN, masq],
      ]),
    ],
    [
      "a chain with another policy",
      listed([
        [{ ...FORWARD_CHAIN, policy: "drop" }, forwardRules(NET)],
        [POSTRTG_CHAIN, masq],
      ]),
    ],
    [
      "a chain at another place",
      listed([
        [FORWARD_CHAIN, forwardRules(NET)],
        [{ ...POSTRTG_CHAIN, prio: 0 }, masq],
      ]),
    ],
    [
      "a chain that hangs nowhere",
      listed([
        [FORWARD_CHAIN, forwardRules(NET)],
        [{ name: "postrtg" }, masq],
      ]),
    ],
    [
      "a chain that is not ours",
      listed([
        [FORWARD_CHAIN, forwardRules(NET)],
        [POSTRTG_CHAIN, masq],
        [{ name: "masqueradeTest" }, []],
      ]),
    ],
    [
      "a set",
      listed(
        [
          [FORWARD_CHAIN, forwardRules(NET)],
          [POSTRTG_CHAIN, masq],
        ],
        [{ set: { name: "s" } }],
      ),
    ],
  ];
  for (const [what, text] of upset) {
    it(`replaces the table when there is ${what}`, () => assert.equal(diff(text), TABLE));
  }

  it("replaces a table that is switched off", () => {
    assert.equal(diff(SETTLED.replace('"handle":4', '"handle":4,"flags":"dormant"')), TABLE);
  });

  it("has no chain without rules, and no table without chains", () => {
    const masqueradeOnly = diff(SETTLED, rulesOf({ masquerade: true, forward: false }));
    assert.equal(masqueradeOnly, TABLE.replace(FORWARD, ""));
    assert.equal(diff(SETTLED, NO_RULES), HEAD);
    assert.equal(diff(null, NO_RULES), "");
  });

  it("keeps the rules of another network, and what all share", () => {
    const others = masqueradeRules("10.9.0.0/16", "10.9.1.0/24").slice(1);
    const both = listed([
      [FORWARD_CHAIN, forwardRules(NET)],
      [POSTRTG_CHAIN, [...masq, ...others]],
    ]);
    assert.equal(diff(both), "");
    const flushed = listed([
      [FORWARD_CHAIN, []],
      [POSTRTG_CHAIN, [...masq, ...others]],
    ]);
    const script = diff(flushed);
    assert.match(script, /ip saddr != 10\.9\.0\.0\/16 ip daddr 10\.9\.1\.0\/24 return/);
    assert.match(script, /ip saddr 10\.9\.0\.0\/16 ip daddr != 224\.0\.0\.0\/4 masquerade fully-random/);
    const without = diff(both, NO_RULES);
    assert.doesNotMatch(without, /10\.5\./);
    assert.match(without, /meta mark & 0x4000 == 0x4000 return\n\t\tip saddr 10\.9\.1\.0\/24/);
  });

  it("knows a network of one address, which nft writes without its length", () => {
    const single: Json[] = [match("saddr", "==", "10.9.1.7"), { accept: null }];
    const text = listed([
      [FORWARD_CHAIN, [...forwardRules(NET), single]],
      [POSTRTG_CHAIN, []],
    ]);
    assert.match(diff(text), /ip saddr 10\.9\.1\.7\/32 accept/);
  });

  it("writes IPv6 rules into a table of their own", () => {
    const script = formatNftables("ipv6", planRules("ipv6", DUAL_STACK, SUBNET, BOTH, false));
    assert.match(script, /^add table ip6 flannel-ipv6\ndelete table ip6 flannel-ipv6\ntable ip6 flannel-ipv6 \{\n/);
    assert.match(script, /ip6 saddr fd00:5::\/48 ip6 daddr != ff00::\/8 masquerade\n/);
  });
});
