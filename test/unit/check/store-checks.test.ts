import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type EpochMillis, millis } from "../../../src/base/brand.ts";
import { known, unknown } from "../../../src/check/facts.ts";
import { ipv4Space } from "../../../src/subnet/subnet-space.ts";
import { expectAll, finding } from "../../support/findings.ts";
import { NOW, networkOf, OWN, OWN_ID, PEER, recordOf, storeOf } from "../../support/well-facts.ts";

const DAY = 86_400_000;
const certificate = (days: number, whose: "client" | "server" = "client", age = 400) =>
  known([
    {
      whose,
      name: "the client certificate /c.pem (--etcd-certfile)",
      begins: (NOW - age * DAY) as EpochMillis,
      expires: (NOW + days * DAY) as EpochMillis,
    },
  ]);
describe("a check of etcd", () => {
  it("tells what is wrong there, or cannot be asked", () => {
    const down = unknown("etcd did not answer (reading): connection refused");
    const endpoints = ["https://192.168.77.2:2379", "https://192.168.77.3:2379"];
    const tls = { caFile: "/etc/ca.pem", certFile: null, keyFile: null };
    assert.equal(
      finding("etcd", { store: down, etcd: { endpoints, username: null, tls } }).remedy,
      "etcdctl endpoint health --endpoints=https://192.168.77.2:2379,https://192.168.77.3:2379 --cacert=/etc/ca.pem",
    );
    const stuck = known({ ...storeOf([OWN, PEER]), refusal: "etcd has no room: make some" });
    const cramped = networkOf('{"Network": "10.5.0.0/22", "SubnetLen": 24}');
    const full = ["10.5.1.0/24", "10.5.2.0/24", "10.5.3.0/24"].map((subnet, n) => recordOf(subnet, `10.0.0.${n}`));
    expectAll([
      ["etcd", "fail", /connection refused/, { store: down }],
      ["etcd", "fail", /^etcd has no room/, { store: stuck, daemons: known([]) }],
      ["etcd", "warn", /^etcd has no room/, { store: stuck }],
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
      [
        "certificates",
        "fail",
        /is not valid before 2024-01-04T00:00:00\.000Z, and it is 2024-01-01T00:00:00\.000Z here$/,
        { certificates: certificate(80, "client", -3), store: down },
      ],
      ["certificates", "ok", /last until 2024-03/, { certificates: certificate(80, "client", -3) }],
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
          subnetFile: { path: "", subnet: null, subnet6: null, mtu: null, isOfThisBoot: true },
        },
      ],
      [
        "subnets",
        "warn",
        /^there is no subnet for a further host: all 3 subnets of 10\.5\.0\.0\/22 are leased$/,
        { store: known(storeOf([...full.slice(1), OWN])), network: known(cramped) },
      ],
    ]);
  });

  it("leaves the choice of a network to a person, and tells commands that ask the same etcd", () => {
    const asking = ["--etcd-prefix=/blue"];
    const none = { asking, network: unknown("there is no network config") };
    const missing = finding("config", { ...none, store: known(storeOf([], null)) });
    assert.equal(missing.command, null);
    assert.match(missing.remedy ?? "", /^write one, .*: flanneld config set '\{"Network": .*\}' --etcd-prefix=\/blue$/);
    const invalid = finding("config", { ...none, store: known(storeOf([], "{")) });
    assert.equal(invalid.command, "flanneld config validate --etcd-prefix=/blue");
    const few = networkOf('{"Network": "10.5.0.0/16", "SubnetMin": "10.5.1.0", "SubnetMax": "10.5.1.0"}');
    const full = finding("subnets", { asking, network: known(few), store: known(storeOf([OWN])) });
    assert.match(
      full.remedy ?? "",
      /\(flanneld config set --etcd-prefix=\/blue\), .*: flanneld release SUBNET --now --force --etcd-prefix=\/blue$/,
    );
  });

  it("counts free subnets as a person would", () => {
    const said = (config: string, free: number) => {
      const network = networkOf(config);
      const leases = Array.from({ length: ipv4Space(network).count - free - 1 }, (_, index) =>
        recordOf(`10.5.${index + 2}.0/24`, `10.0.1.${index}`),
      );
      return finding("subnets", { store: known(storeOf([OWN, ...leases])), network: known(network) }).sentence;
    };
    const wide = '{"Network": "10.5.0.0/16", "SubnetMax": "10.5.100.0"}';
    assert.equal(said(wide, 2), "only 2 of 100 subnets of 10.5.0.0/16 are free for further hosts");
    assert.equal(said(wide, 1), "only 1 of 100 subnets of 10.5.0.0/16 is free for further hosts");
    const one = '{"Network": "10.5.0.0/16", "SubnetMin": "10.5.1.0", "SubnetMax": "10.5.1.0"}';
    assert.equal(said(one, 0), "there is no subnet for a further host: the only subnet of 10.5.0.0/16 is leased");
    const few = '{"Network": "10.5.0.0/16", "SubnetMax": "10.5.5.0"}';
    assert.equal(said(few, 1), "1 of 5 subnets is free, this host has 10.5.1.0/24");
    assert.equal(said(few, 2), "2 of 5 subnets are free, this host has 10.5.1.0/24");
  });

  it("tells a host that has this one's address, and two records of one address", () => {
    const copy = recordOf("10.5.4.0/24", "192.168.77.14", OWN_ID);
    const nobody = { isRoot: false, netAdmin: false, netRaw: false };
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
        /^a host \(node id c{32}\) has the public IP 192\.168\.77\.11 .*: another one, or this one before it was set up/,
        { store: known(storeOf([rival, PEER])), nodeId: null, daemons: known([]) },
      ],
      ["public-ip", "ok", /nobody else/, { store: known(storeOf([rival])), nodeId: null }],
      [
        "public-ip",
        "ok",
        /nobody else/,
        { store: known(storeOf([rival])), nodeId: null, user: nobody, daemons: known([]) },
      ],
      [
        "public-ip",
        "warn",
        /^2 leases have the node id of this host, .*: 192\.168\.77\.14 \(10\.5\.4\.0\/24\), 192\.168\.77\.11 \(/,
        { store: known(storeOf([copy, OWN])) },
      ],
      ["subnets", "ok", /this host has 10\.5\.1\.0\/24$/, { store: known(storeOf([copy, OWN])) }],
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
