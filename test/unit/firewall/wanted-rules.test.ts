import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatIptablesRule } from "../../../src/firewall/iptables-rule.ts";
import { NO_RULES } from "../../../src/firewall/rule.ts";
import { planRules } from "../../../src/firewall/wanted-rules.ts";
import { parseNetworkConfig } from "../../../src/subnet/network-config.ts";
import { BOTH, DUAL_STACK, goForward, goMasquerade, NETWORK, SUBNET } from "../../support/firewall.ts";

describe("planRules()", () => {
  it("wants of IPv4 what the Go daemon installs, byte for byte", () => {
    const { masquerade, forward } = planRules("ipv4", NETWORK, SUBNET, BOTH, true);
    const masq = masquerade.map((rule) => `-A FLANNEL-POSTRTG ${formatIptablesRule(rule, "flanneld masq")}`);
    assert.deepEqual(masq, goMasquerade("10.5.0.0/16", "10.5.7.0/24"));
    const fwd = forward.map((rule) => `-A FLANNEL-FWD ${formatIptablesRule(rule, "flanneld forward")}`);
    assert.deepEqual(fwd, goForward("10.5.0.0/16"));
  });

  it("wants plain masquerading where ports cannot or must not be random", () => {
    const { masquerade } = planRules("ipv4", NETWORK, SUBNET, BOTH, false);
    const masq = masquerade.map((rule) => `-A FLANNEL-POSTRTG ${formatIptablesRule(rule, "flanneld masq")}`);
    assert.deepEqual(masq, goMasquerade("10.5.0.0/16", "10.5.7.0/24", ""));
  });

  it("wants the same of IPv6, with its multicast", () => {
    const { masquerade, forward } = planRules("ipv6", DUAL_STACK, SUBNET, BOTH, true);
    const comment = '-m comment --comment "c"';
    assert.deepEqual(
      masquerade.map((rule) => formatIptablesRule(rule, "c")),
      [
        `-m mark --mark 0x4000/0x4000 ${comment} -j RETURN`,
        `-s fd00:5:0:7::/64 -d fd00:5::/48 ${comment} -j RETURN`,
        `-s fd00:5::/48 -d fd00:5:0:7::/64 ${comment} -j RETURN`,
        `! -s fd00:5::/48 -d fd00:5:0:7::/64 ${comment} -j RETURN`,
        `-s fd00:5::/48 ! -d ff00::/8 ${comment} -j MASQUERADE --random-fully`,
        `! -s fd00:5::/48 -d fd00:5::/48 ${comment} -j MASQUERADE --random-fully`,
      ],
    );
    assert.deepEqual(
      forward.map((rule) => formatIptablesRule(rule, "c")),
      [`-s fd00:5::/48 ${comment} -j ACCEPT`, `-d fd00:5::/48 ${comment} -j ACCEPT`],
    );
  });

  it("wants nothing of a family that the network does not have", () => {
    assert.deepEqual(planRules("ipv6", NETWORK, SUBNET, BOTH, true), NO_RULES);
    const v6Only = parseNetworkConfig('{"EnableIPv4": false, "EnableIPv6": true, "IPv6Network": "fd00:5::/48"}');
    assert.deepEqual(planRules("ipv4", v6Only, SUBNET, BOTH, true), NO_RULES);
  });

  it("wants what the flags ask for and no more", () => {
    const plan = (masquerade: boolean, forward: boolean) => {
      const rules = planRules("ipv4", NETWORK, SUBNET, { masquerade, forward }, true);
      return [rules.masquerade.length, rules.forward.length];
    };
    assert.deepEqual(
      [plan(false, false), plan(true, false), plan(false, true)],
      [
        [0, 0],
        [6, 0],
        [0, 2],
      ],
    );
  });
});
