import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createBackend } from "../../../src/backends/registry.ts";
import type { Json } from "../../../src/base/json.ts";
import { checkConfig } from "../../../src/operator/check-config.ts";
import { describeConfig, formatWarnings } from "../../../src/operator/config-view.ts";
import { parseNetworkConfig } from "../../../src/subnet/network-config.ts";

function problems(config: Json | string): readonly string[] {
  const check = checkConfig(typeof config === "string" ? config : JSON.stringify(config));
  assert.equal(check.kind, "invalid");
  return check.problems.map(({ at, reason }) => `${at}: ${reason}`);
}

function valid(config: Json) {
  const check = checkConfig(JSON.stringify(config));
  assert.equal(check.kind, "valid", JSON.stringify(check));
  return check;
}

const VXLAN = { Type: "vxlan" };

describe("checking a network config", () => {
  it("finds what the daemon's parser finds, in its words", () => {
    const wrong: readonly Json[] = [
      {},
      { Network: "10.5.0.0" },
      { Network: "10.5.0.0/16", SubnetLen: 17 },
      { Network: "10.5.0.0/16", SubnetMin: "10.6.0.0" },
      { Network: "10.5.0.0/16", EnableIPv4: "yes" },
      { Network: "10.5.0.0/16", Backend: {} },
      { Network: "10.5.0.0/16", Backend: { Type: "vxlam" } },
      { Network: "10.5.0.0/16", Backend: { Type: "wireguard" } },
      { Network: "10.5.0.0/16", Backend: { Type: "vxlan", VNI: -1 } },
    ];
    for (const config of wrong) {
      const daemons = () => createBackend(parseNetworkConfig(JSON.stringify(config)).backend);
      const [first = ""] = problems(config);
      assert.throws(daemons, { message: first });
    }
  });

  it("agrees with the daemon about every config, and always has a reason", () => {
    const value = fc.oneof(
      fc.constantFrom<Json>(
        "10.5.0.0/16",
        "10.5.3.0",
        24,
        30,
        17,
        true,
        false,
        null,
        "vxlan",
        "fd00::/48",
        -1,
        0.5,
        [],
      ),
      fc.record({ Type: fc.constantFrom("vxlan", "udp", "host-gw", "x"), VNI: fc.integer(), MTU: fc.integer() }),
    );
    const names = ["Network", "subnetLen", "SubnetMin", "SubnetMax", "EnableIPv4", "EnableIPv6", "Backend", "Other"];
    const configs = fc
      .dictionary(fc.constantFrom(...names), value)
      .map((members) => ({ Network: "10.5.0.0/16", ...members }));
    const daemonAccepts = (text: string) => {
      try {
        const network = parseNetworkConfig(text);
        createBackend(network.backend);
        return true;
      } catch {
        return false;
      }
    };
    fc.assert(
      fc.property(configs, (config) => {
        const text = JSON.stringify(config);
        const check = checkConfig(text);
        assert.equal(check.kind === "valid", daemonAccepts(text), text);
        if (check.kind === "invalid") assert.ok(check.problems.length > 0);
        else describeConfig(check);
      }),
      { numRuns: 1000 },
    );
  });

  it("names every part that is wrong, and every member of the Backend", () => {
    const config = {
      Network: "10.5.0.0",
      EnableNFTables: 1,
      Backend: { Type: "VXLAN", vni: "1", Port: -1, MTU: 10, GBP: false, Learning: 3 },
    };
    assert.deepEqual(problems(config), [
      "$.Network: invalid CIDR address: 10.5.0.0",
      "$.EnableNFTables: must be true or false, but is 1",
      '$.Backend.VNI: must be an integer between 1 and 16777215, but is "1"',
      "$.Backend.Port: must be an integer between 0 and 65535, but is -1",
      "$.Backend.MTU: must be 0 or at least 118, but is 10",
      "$.Backend.Learning: must be true or false, but is 3",
    ]);
  });

  it("names line and column of what is no JSON, once", () => {
    assert.deepEqual(problems('{"Network": "10.5.0.0/16",\n "Backend" {}}'), [
      'line 2, column 12: not valid JSON: expected a colon after "Backend" but found "{"',
    ]);
    assert.deepEqual(problems("[]"), ["$: must be an object, but is []"]);
  });

  it("refuses what this flanneld cannot do", () => {
    assert.match(problems({ EnableIPv4: false, Backend: VXLAN }).join(), /^\$: none defined stack/);
  });

  it("shows the values that daemons go by", () => {
    const check = valid({ Network: "10.5.7.9/16", SubnetLen: 26, Backend: { Type: "vxlan", port: 0 } });
    assert.deepEqual(Object.fromEntries(describeConfig(check)), {
      Network: "10.5.0.0/16",
      SubnetLen: "26",
      SubnetMin: "10.5.0.64",
      SubnetMax: "10.5.255.192",
      subnets: "1023, from 10.5.0.64/26 to 10.5.255.192/26",
      EnableNFTables: "false",
      "Backend.Type": "vxlan",
      "Backend.VNI": "1",
      "Backend.Port": "8472",
      "Backend.MTU": "of the interface",
      "Backend.DirectRouting": "false",
      "Backend.GBP": "false",
      "Backend.Learning": "false",
      "Backend.Offload": "auto",
    });
  });

  it("warns of members that nobody reads, at the top and in the Backend of each type", () => {
    for (const Type of ["vxlan", "host-gw", "udp"]) {
      const check = valid({ Network: "10.5.0.0/16", subnetLenght: 26, Backend: { Type, mtu: 1400, CIDR: 1 } });
      assert.deepEqual(check.unread, ["$.subnetLenght", "$.Backend.CIDR"]);
      assert.match(
        formatWarnings(check)[1] ?? "",
        new RegExp(`^\\$\\.Backend\\.CIDR: the backend ${Type} does not know`),
      );
    }
    assert.deepEqual(valid({ Network: "10.5.0.0/16", Backend: { Type: "host-gw", VNI: 1 } }).unread, ["$.Backend.VNI"]);
    assert.deepEqual(valid({ Network: "10.5.0.0/16" }).unread, []);
  });

  it("warns of a config without a Backend, which means udp", () => {
    assert.match(formatWarnings(valid({ Network: "10.5.0.0/16" }))[0] ?? "", /\$\.Backend: there is none.*udp.*vxlan/);
    assert.deepEqual(formatWarnings(valid({ Network: "10.5.0.0/16", Backend: { Type: "udp" } })), []);
  });
});
