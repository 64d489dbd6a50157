import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { suits } from "../../../soak/fault.ts";
import { FAULTS } from "../../../soak/faults.ts";
import { parseSoakCommand, type SoakCommand } from "../../../soak/options.ts";

const parse = (...argv: string[]) => parseSoakCommand(argv, () => 42);

describe("parseSoakCommand", () => {
  const possible = (backends: readonly string[], members = 1, firewall: "iptables" | "nftables" = "iptables") =>
    FAULTS.filter((fault) => backends.some((backend) => suits(fault, { backend, members, firewall })));
  const namesOf = (command: SoakCommand) =>
    command.kind === "run" ? command.options.faults.map(({ name }) => name) : assert.fail();

  it("has all faults of vxlan, then of host-gw, for five minutes each and from a new seed unless told otherwise", () => {
    const backends = ["vxlan", "host-gw"];
    const rest = {
      minutes: 5,
      rounds: null,
      members: 1,
      firewall: "iptables",
      seed: 42,
      keepGoing: false,
      json: false,
    };
    assert.deepEqual(parse(), { kind: "run", options: { backends, ...rest, faults: possible(backends), choice: [] } });
  });

  it("takes another backend, time, seed and choice of faults", () => {
    const command = parse(
      ...["--backend=udp", "--minutes=0.5", "--seed=7", "--only=etcd-frozen, flanneld-killed"],
      ...["--firewall=nftables", "--keep-going", "--json"],
    );
    assert.ok(command.kind === "run");
    const { faults: _, choice, ...rest } = command.options;
    const where = { backends: ["udp"], members: 1, firewall: "nftables" };
    assert.deepEqual(rest, { ...where, minutes: 0.5, rounds: null, seed: 7, keepGoing: true, json: true });
    assert.deepEqual(namesOf(command), ["etcd-frozen", "flanneld-killed"]);
    assert.deepEqual(choice, ["--only etcd-frozen,flanneld-killed"]);
  });

  it("takes rounds instead of minutes, or within them", () => {
    const times = (...argv: string[]) => {
      const command = parse(...argv);
      return command.kind === "run" && [command.options.rounds, command.options.minutes];
    };
    assert.deepEqual(times("--rounds=2"), [2, 7 * 24 * 60]);
    assert.deepEqual(times("--rounds=2", "--minutes=3"), [2, 3]);
  });

  it("takes kinds of faults for their names, and leaves some out", () => {
    const firewall = possible(["vxlan"]).filter(({ kind }) => kind === "firewall");
    const expected = firewall.map(({ name }) => name).filter((name) => name !== "rule-deleted");
    assert.ok(expected.length > 1);
    assert.deepEqual(namesOf(parse("--backend=vxlan", "--only=firewall,etcd-slow", "--skip=rule-deleted")), [
      "etcd-slow",
      ...expected,
    ]);
  });

  it("has only the faults that can happen with the backend, the firewall and the members", () => {
    assert.ok(!namesOf(parse("--backend=host-gw")).includes("fdb-deleted"));
    assert.ok(!namesOf(parse("--firewall=nftables")).includes("forward-drop"));
    assert.deepEqual(
      namesOf(parse("--members=3")).filter((name) => name.startsWith("member")),
      [...["member-killed", "member-frozen", "members-restarted"]],
    );
  });

  it("knows --help and --list", () => {
    assert.deepEqual(parse("--help"), { kind: "help" });
    assert.deepEqual(parse("--list"), { kind: "list" });
  });

  it("refuses what it cannot do in a sentence that says what it can", () => {
    for (const minutes of ["0", "-1", "x", "", "1e3", "99999"]) {
      assert.throws(() => parse(`--minutes=${minutes}`), /give a number above 0, at most/, minutes);
    }
    for (const seed of ["-1", "x", "", "4294967296"])
      assert.throws(() => parse(`--seed=${seed}`), /give a number/, seed);
    assert.throws(() => parse("--backend=ipip"), /--backend ipip: not built yet; what is there: vxlan/);
    assert.throws(() => parse("--backend=vxlna"), /--backend vxlna: there is no such backend; what is there: vxlan/);
    assert.throws(
      () => parse("--only=etcd-frozen,rain"),
      /--only rain: there is no such fault, and no such kind of faults; see --list/,
    );
    assert.throws(() => parse("--members=2"), /--members 2: give 1 or 3/);
    assert.throws(() => parse("--only=member-killed"), /--only member-killed: needs --members 3/);
    assert.throws(() => parse("--only=fdb-deleted", "--backend=host-gw"), /--only fdb-deleted: needs vxlan$/);
    assert.throws(() => parse("--only=fdb-deleted"), /no fault is left for host-gw; see --list/);
    assert.throws(() => parse("--only=firewall", "--skip=firewall"), /no fault is left for vxlan/);
    assert.throws(() => parse("--skip=rain"), /--skip rain: there is no such fault/);
    assert.throws(() => parse("--firewall=pf"), /--firewall pf: give iptables or nftables/);
    for (const rounds of ["0", "1.5", "x", "10001"])
      assert.throws(() => parse(`--rounds=${rounds}`), /give a whole number from 1/, rounds);
    assert.throws(() => parse("--hours=1"), /--hours/);
  });
});
