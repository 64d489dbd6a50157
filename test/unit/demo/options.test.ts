import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseDemoCommand } from "../../../demo/options.ts";

describe("parseDemoCommand", () => {
  it("runs three hosts with vxlan unless told otherwise", () => {
    const options = { hosts: 3, backend: "vxlan", keep: false };
    assert.deepEqual(parseDemoCommand([]), { kind: "run", options });
    assert.deepEqual(parseDemoCommand(["--hosts", "20", "--keep"]), {
      kind: "run",
      options: { ...options, hosts: 20, keep: true },
    });
  });

  it("knows --help and --down", () => {
    assert.deepEqual(parseDemoCommand(["--help"]), { kind: "help" });
    assert.deepEqual(parseDemoCommand(["--down"]), { kind: "down" });
  });

  it("refuses what it cannot do in a sentence that says what it can", () => {
    for (const hosts of ["1", "21", "three", "2.5", ""]) {
      assert.throws(() => parseDemoCommand([`--hosts=${hosts}`]), /give a number from 2 to 20/, hosts);
    }
    assert.throws(() => parseDemoCommand(["--backend=udp"]), /--backend udp: not built yet; what is there: vxlan/);
    assert.throws(() => parseDemoCommand(["--host=3"]), /--host/);
  });
});
