import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FAULTS } from "../../../soak/faults.ts";
import { parseSoakCommand } from "../../../soak/options.ts";

const parse = (...argv: string[]) => parseSoakCommand(argv, () => 42);

describe("parseSoakCommand", () => {
  it("has all faults of vxlan, then of host-gw, for five minutes each and from a new seed unless told otherwise", () => {
    const faults = FAULTS.filter(({ fewestMembers }) => fewestMembers === undefined);
    const options = { backends: ["vxlan", "host-gw"], minutes: 5, members: 1, seed: 42, json: false };
    assert.deepEqual(parse(), { kind: "run", options: { ...options, faults } });
  });

  it("takes another backend, time, seed and choice of faults", () => {
    const command = parse(
      "--backend=udp",
      "--minutes=0.5",
      "--seed=7",
      "--only=etcd-frozen, flanneld-killed",
      "--json",
    );
    assert.ok(command.kind === "run");
    const { faults, ...rest } = command.options;
    assert.deepEqual(rest, { backends: ["udp"], minutes: 0.5, members: 1, seed: 7, json: true });
    assert.deepEqual(
      faults.map(({ name }) => name),
      ["etcd-frozen", "flanneld-killed"],
    );
  });

  it("has the faults that need several members when there are", () => {
    const command = parse("--members=3");
    assert.deepEqual(command.kind === "run" && [command.options.members, command.options.faults], [3, FAULTS]);
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
    assert.throws(() => parse("--only=etcd-frozen,rain"), /--only rain: there is no such fault; see --list/);
    assert.throws(() => parse("--members=2"), /--members 2: give 1 or 3/);
    assert.throws(() => parse("--only=member-killed"), /--only member-killed: needs --members 3/);
    assert.throws(() => parse("--hours=1"), /--hours/);
  });
});
