import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runChecks } from "../../../src/check/checks.ts";
import { type Facts, known } from "../../../src/check/facts.ts";
import { parseNetworkConfig } from "../../../src/subnet/network-config.ts";
import { wellFacts } from "../../support/well-facts.ts";

/** A base chain that leads to a zone's, which rejects. */
function firewalld(hook: "forward" | "input", zone: string): Partial<Facts> {
  const table = { family: "inet", table: "firewalld" };
  const [base, last] = [`filter_${hook.toUpperCase()}`, `filter_${hook === "input" ? "IN" : "FWD"}_${zone}`];
  const items = [
    { chain: { ...table, name: base, type: "filter", hook, policy: "accept" } },
    { chain: { ...table, name: last } },
    { rule: { ...table, chain: base, handle: 1, expr: [{ goto: { target: last } }] } },
    { rule: { ...table, chain: last, handle: 2, expr: [{ reject: null }] } },
  ];
  return { rules: known({ iptables: {}, nftables: JSON.stringify({ nftables: items }) }) };
}

function finding(name: string, change: Partial<Facts>) {
  const { verdict, sentence, remedy } = runChecks(wellFacts(change)).find((one) => one.name === name) ?? assert.fail();
  return [verdict, sentence, remedy];
}

describe("a check of firewalld's rules", () => {
  it("says which networks to trust, of both families", () => {
    const { ipv6: network6 } = parseNetworkConfig(
      '{"Network": "10.5.0.0/16", "EnableIPv6": true, "IPv6Network": "fd00:5::/48"}',
    );
    assert.deepEqual(finding("forward-rules", { ...firewalld("forward", "public"), network6 }), [
      "fail",
      "firewalld rejects forwarded packets of the overlay in its zone public, whatever flanneld's own rules accept",
      "firewall-cmd --permanent --zone=trusted --add-source=10.5.0.0/16 --add-source=fd00:5::/48; firewall-cmd --reload",
    ]);
  });

  it("says in which zone to open the port, and leaves it to firewalld where the chain does not tell", () => {
    const remedy = (zone: string) => finding("input-rules", firewalld("input", zone))[2];
    assert.equal(remedy("dmz"), "firewall-cmd --permanent --zone=dmz --add-port=8472/udp; firewall-cmd --reload");
    assert.match(`${remedy("$(id)")}`, /^firewall-cmd --permanent '--zone=\$\(id\)' --add-port/);
    assert.equal(remedy("dmz_deny"), "firewall-cmd --permanent --add-port=8472/udp; firewall-cmd --reload");
  });
});
