import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DEMO_BACKENDS } from "../../../demo/backends.ts";
import { HELP, parseDemoCommand } from "../../../demo/options.ts";
import { BACKEND_TYPES } from "../../../src/backends/registry.ts";

describe("parseDemoCommand", () => {
  it("runs three hosts with vxlan unless told otherwise", () => {
    const backend = DEMO_BACKENDS.find(({ type }) => type === "vxlan");
    const options = { hosts: 3, backend, keep: false, web: false };
    assert.deepEqual(parseDemoCommand([]), { kind: "run", options });
    assert.deepEqual(parseDemoCommand(["--hosts", "20", "--keep"]), {
      kind: "run",
      options: { ...options, hosts: 20, keep: true },
    });
  });

  it("shows the page until Ctrl-C, and then leaves nothing running", () => {
    const command = parseDemoCommand(["--web"]);
    assert.equal(command.kind === "run" && command.options.web, true);
    assert.throws(() => parseDemoCommand(["--web", "--keep"]), /choose one/);
  });

  it("knows --help and --down", () => {
    assert.deepEqual(parseDemoCommand(["--help"]), { kind: "help" });
    assert.deepEqual(parseDemoCommand(["--down"]), { kind: "down", name: null });
    assert.deepEqual(parseDemoCommand(["--down", "fl2s"]), { kind: "down", name: "fl2s" });
  });

  it("has every backend that flanneld has, and says in --help what each does", () => {
    for (const type of BACKEND_TYPES) {
      const command = parseDemoCommand(["--backend", type]);
      assert.equal(command.kind === "run" && command.options.backend.type, type);
      assert.match(HELP, new RegExp(`^ +${type} +\\w+`, "m"));
    }
  });

  it("refuses what it cannot do in a sentence that says what it can", () => {
    for (const hosts of ["1", "21", "three", "2.5", ""]) {
      assert.throws(() => parseDemoCommand([`--hosts=${hosts}`]), /give a number from 2 to 20/, hosts);
    }
    assert.throws(() => parseDemoCommand(["--backend=ipip"]), /--backend ipip: not built yet; what is there: vxlan/);
    assert.throws(
      () => parseDemoCommand(["--backend=vxlna"]),
      /--backend vxlna: there is no such backend; what is there: vxlan/,
    );
    assert.throws(() => parseDemoCommand(["--host=3"]), /--host/);
    for (const line of [["fl2s"], ["--down", "a", "b"]]) assert.throws(() => parseDemoCommand(line), /unexpected word/);
  });
});
