import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parsePrefix6 } from "../../../src/base/ipv6.ts";
import type { Json } from "../../../src/base/json.ts";
import { checkConfig, type ValidConfig } from "../../../src/operator/check-config.ts";
import { diffConfigs, excludedLeases, restartsFor } from "../../../src/operator/config-change.ts";
import { leaseOf } from "../../support/leases.ts";

function valid(config: Json): ValidConfig {
  const check = checkConfig(JSON.stringify(config));
  assert.equal(check.kind, "valid");
  return check;
}

const BEFORE = valid({ Network: "10.5.0.0/16", Backend: { Type: "vxlan" } });

function changes(config: Json, before: ValidConfig | null = BEFORE): readonly string[] {
  return diffConfigs(before, valid(config)).map(({ member, from, to }) => `${member} ${from ?? "-"} ${to ?? "-"}`);
}

describe("what another network config changes", () => {
  it("is nothing when only the spelling is another, or what nobody reads", () => {
    const backend = { port: 8472, TYPE: "VXLAN", Colour: "red" };
    assert.deepEqual(changes({ backend, network: "10.5.9.9/16", subnetlen: 24, x: 1 }), []);
  });

  it("is told by member", () => {
    assert.deepEqual(
      changes({
        Network: "10.5.0.0/16",
        SubnetLen: 25,
        SubnetMin: "10.5.2.0",
        EnableNFTables: true,
        Backend: { Type: "vxlan", VNI: 7, MTU: 1400 },
      }),
      [
        "SubnetLen 24 25",
        "SubnetMin 10.5.1.0 10.5.2.0",
        "SubnetMax 10.5.255.0 10.5.255.128",
        "EnableNFTables false true",
        "Backend.VNI 1 7",
        "Backend.MTU - 1400",
      ],
    );
  });

  it("leaves out the members of a backend that goes", () => {
    assert.deepEqual(changes({ Network: "10.5.0.0/16", Backend: { Type: "host-gw" } }), ["Backend.Type vxlan host-gw"]);
  });

  it("is everything where there was no valid config", () => {
    assert.equal(changes({ Network: "10.5.0.0/16" }, null)[0], "Network - 10.5.0.0/16");
  });
});

describe("the hosts that have to restart flanneld", () => {
  const text = '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}';
  const leases = [
    leaseOf({ subnet: "10.5.1.0/24", publicIp: "10.0.0.1" }),
    leaseOf({ subnet: "10.5.9.0/24", publicIp: "10.0.0.9" }),
  ];
  const restarts = (after: string) => {
    const { members, hosts } = restartsFor(text, after, leases);
    return [members, hosts];
  };

  it("are told once each, by address", () => {
    const at = (subnet: string, publicIp: string) => leaseOf({ subnet, publicIp });
    const unsorted = [at("10.5.3.0/24", "10.0.0.10"), at("10.5.2.0/24", "10.0.0.9"), at("10.5.4.0/24", "10.0.0.10")];
    const { hosts } = restartsFor(text, text.replace("vxlan", "host-gw"), unsorted);
    assert.deepEqual(hosts, ["10.0.0.9", "10.0.0.10"]);
  });

  it("are none where all follow the change", () => {
    assert.deepEqual(restarts(text.replace("/16", "/15")), [[], []]);
    assert.deepEqual(restarts(text.replace('"vxlan"', '"vxlan", "DirectRouting": true, "MTU": 1400')), [[], []]);
    assert.deepEqual(restarts(`${text} `), [[], []]);
  });

  it("are told by their reason also where no host has a lease yet", () => {
    assert.deepEqual(restartsFor(text, text.replace("vxlan", "host-gw"), []), { members: ["Backend.Type"], hosts: [] });
  });

  it("are all for another backend, and those whose subnet has no place any more", () => {
    assert.deepEqual(restarts(text.replace("vxlan", "host-gw")), [["Backend.Type"], ["10.0.0.1", "10.0.0.9"]]);
    const narrow = text.replace("{", '{"SubnetMin": "10.5.2.0", "SubnetMax": "10.5.99.0",');
    assert.deepEqual(restarts(narrow), [["SubnetMin", "SubnetMax"], ["10.0.0.1"]]);
  });
});

describe("leases that have no place in another network config", () => {
  const leases = [
    leaseOf({ subnet: "10.5.1.0/24", publicIp: "10.0.0.1" }),
    leaseOf({ subnet: "10.5.9.0/24", publicIp: "10.0.0.9" }),
    // Had none before, either.
    leaseOf({ subnet: "10.6.1.0/24", publicIp: "10.0.0.6" }),
    leaseOf({ subnet: "0.0.0.0/0", publicIp: "0.0.0.0" }),
  ];
  const excluded = (config: Json, before: ValidConfig | null = BEFORE) =>
    excludedLeases(before, valid(config), leases).map(({ subnet }) => subnet.v4);

  it("are none when only the backend changes", () => {
    assert.deepEqual(excluded({ Network: "10.5.0.0/16", Backend: { Type: "host-gw" } }), []);
  });

  it("are those outside the range, of another length, or outside the network", () => {
    assert.deepEqual(excluded({ Network: "10.5.0.0/16", SubnetMin: "10.5.2.0" }), ["10.5.1.0/24"]);
    assert.deepEqual(excluded({ Network: "10.5.0.0/16", SubnetMax: "10.5.8.0" }), ["10.5.9.0/24"]);
    assert.deepEqual(excluded({ Network: "10.5.0.0/16", SubnetLen: 25 }), ["10.5.1.0/24", "10.5.9.0/24"]);
    assert.deepEqual(excluded({ Network: "10.6.0.0/16" }), ["10.5.1.0/24", "10.5.9.0/24"]);
  });

  it("are told by address", () => {
    const [first, second] = leases as [(typeof leases)[0], (typeof leases)[0]];
    const tenth = leaseOf({ subnet: "10.5.10.0/24", publicIp: "10.0.0.2" });
    const order = excludedLeases(BEFORE, valid({ Network: "10.6.0.0/16" }), [tenth, second, first]);
    assert.deepEqual(
      order.map(({ subnet }) => subnet.v4),
      ["10.5.1.0/24", "10.5.9.0/24", "10.5.10.0/24"],
    );
  });

  it("are all that do not fit where there was no valid config", () => {
    assert.deepEqual(excluded({ Network: "10.5.0.0/16" }, null), ["0.0.0.0/0", "10.6.1.0/24"]);
  });

  it("do not count a record with an IPv6 side, which the daemon would not take, either", () => {
    const dual = { ...leases[0], subnet: { v4: leases[0]?.subnet.v4, v6: parsePrefix6("fd00:1::/64") } };
    assert.deepEqual(excludedLeases(BEFORE, BEFORE, [dual as (typeof leases)[0]]), []);
  });
});
