import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type EpochMillis, millis } from "../../../src/base/brand.ts";
import { known, unknown } from "../../../src/check/facts.ts";
import { expectAll, finding } from "../../support/findings.ts";
import { NOW, networkOf, OWN, PEER, recordOf, storeOf } from "../../support/well-facts.ts";

const DAY = 86_400_000;
const certificate = (days: number, whose: "client" | "server" = "client") =>
  known([
    { whose, name: "the client certificate /c.pem (--etcd-certfile)", expires: (NOW + days * DAY) as EpochMillis },
  ]);
describe("a check of etcd", () => {
  it("tells what is wrong there, or cannot be asked", () => {
    const down = unknown("etcd did not answer (reading): connection refused");
    const endpoints = ["https://192.168.77.2:2379", "https://192.168.77.3:2379"];
    assert.match(
      finding("etcd", { store: down, endpoints }).remedy ?? "",
      /^etcdctl --endpoints=https:\/\/192\.168\.77\.2:2379,https:\/\/192\.168\.77\.3:2379 endpoint health;/,
    );
    const cramped = networkOf('{"Network": "10.5.0.0/22", "SubnetLen": 24}');
    const full = ["10.5.1.0/24", "10.5.2.0/24", "10.5.3.0/24"].map((subnet, n) => recordOf(subnet, `10.0.0.${n}`));
    expectAll([
      ["etcd", "fail", /connection refused/, { store: down }],
      ["config", "skip", /without etcd/, { store: down }],
      ["subnets", "skip", /without etcd/, { store: down }],
      ["public-ip", "skip", /without etcd/, { store: down }],
      ["peers", "skip", /without etcd/, { store: down, peers: [] }],
      [
        "config",
        "fail",
        /no network config/,
        { store: known(storeOf([], null)), network: unknown("there is no network config") },
      ],
      ["certificates", "fail", /expired at 2023-12-31T00:00:00/, { certificates: certificate(-1) }],
      ["certificates", "warn", /expires at 2024-01-03/, { certificates: certificate(2) }],
      ["certificates", "ok", /last until 2024-03/, { certificates: certificate(80) }],
      ["certificates", "fail", /no such file/, { certificates: unknown("cannot read: no such file") }],
      ["clock", "warn", /99 s behind that of x/, { clocks: [{ endpoint: "x", ahead: millis(-99_000) }] }],
      ["clock", "skip", /no etcd server/, { clocks: [] }],
      [
        "subnets",
        "fail",
        /all 3 subnets of 10\.5\.0\.0\/22 are leased, and this host has none/,
        {
          store: known(storeOf(full)),
          network: known(cramped),
          subnetFile: { path: "", subnet: null, subnet6: null, mtu: null },
        },
      ],
      ["subnets", "warn", /only 0 of 3/, { store: known(storeOf([...full.slice(1), OWN])), network: known(cramped) }],
    ]);
  });

  it("tells a host that has this one's address, and two records of one address", () => {
    const rival = recordOf("10.5.9.0/24", OWN.attrs.publicIp, "c".repeat(32));
    expectAll([
      [
        "public-ip",
        "fail",
        /another host \(node id c{32}\) has the public IP 192\.168\.77\.11.*10\.5\.9\.0\/24/,
        { store: known(storeOf([rival, PEER])) },
      ],
      [
        "public-ip",
        "warn",
        /192\.168\.77\.12 has more than one lease: 10\.5\.2\.0\/24, 10\.5\.3\.0\/24/,
        { store: known(storeOf([OWN, PEER, recordOf("10.5.3.0/24", "192.168.77.12")])) },
      ],
      ["public-ip", "ok", /nobody else/, { store: known(storeOf([recordOf("10.5.1.0/24", "192.168.77.11")])) }],
    ]);
  });
});
