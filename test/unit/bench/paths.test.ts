import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseDatapathCommand } from "../../../bench/datapath/options.ts";
import { orderOf, planPaths } from "../../../bench/datapath/paths.ts";

const namesOf = (paths: readonly { readonly name: string }[]) => paths.map(({ name }) => name);

describe("planPaths", () => {
  it("measures our backends and those made by hand, and PEER's only when there is one", () => {
    const own = ["host-gw", "host-gw by hand", "vxlan", "vxlan by hand", "udp"];
    assert.deepEqual(namesOf(planPaths(false, null)), own);
    assert.deepEqual(namesOf(planPaths(true, null)), [...own, "udp PEER", "udp ours to PEER", "udp PEER to ours"]);
  });

  it("puts the sender's program first", () => {
    const [path] = planPaths(true, ["udp PEER to ours"]);
    assert.deepEqual(path?.kind === "daemons" && path.programs, ["peer", "ours"]);
  });

  it("measures what counting costs when that is asked for by name, and not else", () => {
    const paths = planPaths(false, ["vxlan", "vxlan counted"]);
    assert.deepEqual(
      paths.map((path) => path.kind === "daemons" && path.isCounted === true),
      [false, true],
    );
  });

  it("takes those that are asked for, and says which there are when one is unknown", () => {
    assert.deepEqual(namesOf(planPaths(false, ["udp", "vxlan"])), ["vxlan", "udp"]);
    assert.throws(() => planPaths(false, ["vxlna"]), /no path "vxlna": there are host-gw, .*vxlan counted$/);
    assert.throws(() => planPaths(false, ["udp PEER"]), /set PEER/);
  });

  it("goes backwards in every second round", () => {
    const paths = planPaths(false, ["vxlan", "udp"]);
    assert.deepEqual(
      [0, 1, 2].map((round) => namesOf(orderOf(paths, round))),
      [
        ["vxlan", "udp"],
        ["udp", "vxlan"],
        ["vxlan", "udp"],
      ],
    );
  });
});

describe("parseDatapathCommand", () => {
  const optionsOf = (argv: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const command = parseDatapathCommand(argv, env);
    assert.equal(command.kind, "run");
    return command.options;
  };

  it("measures all paths three times unless told otherwise", () => {
    const { paths, ...others } = optionsOf([]);
    const chart = "build/datapath.svg";
    assert.equal(paths.length, 5);
    assert.deepEqual(others, { rounds: 3, seconds: 3, congestion: null, json: false, chart, peer: null });
  });

  it("takes names with blanks, and the other flanneld from the environment", () => {
    const { paths, peer, seconds } = optionsOf(["--only", "vxlan, vxlan by hand"], { PEER: "/opt/flanneld" });
    assert.deepEqual(namesOf(paths), ["vxlan", "vxlan by hand"]);
    assert.equal(peer, "/opt/flanneld");
    assert.equal(seconds, 2);
  });

  it("refuses what is no number of rounds or seconds", () => {
    assert.throws(() => parseDatapathCommand(["--rounds", "0"], {}), /--rounds 0: give a number from 1 to 100/);
    assert.throws(() => parseDatapathCommand(["--seconds", "2.5"], {}), /--seconds 2.5: give a number/);
    assert.throws(() => parseDatapathCommand(["--round"], {}), /--round/);
  });

  it("knows --help", () => {
    assert.deepEqual(parseDatapathCommand(["--help"], {}), { kind: "help" });
  });
});
