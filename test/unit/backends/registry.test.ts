import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BACKEND_TYPES, backendSettings, createBackend } from "../../../src/backends/registry.ts";

/** This file runs from dist/test/unit/backends. */
const README = readFileSync(join(import.meta.dirname, "../../../../README.md"), "utf8");

/** The members of Backend that the README has for this backend, beside MTU, which it has once for all. */
function documentedMembers(type: string): readonly string[] {
  const part = README.split(`- **${type}**`)[1]?.split("\n- **")[0]?.split("To switch the backend")[0] ?? "";
  const cells = part.split("\n").flatMap((line) => /^ +\| (`.*?) \|/.exec(line)?.[1] ?? []);
  return cells.flatMap((cell) => [...cell.matchAll(/`(?:Backend\.)?(\w+)`/g)].map(([, name = ""]) => name));
}

describe("the settings of a backend", () => {
  for (const type of BACKEND_TYPES) {
    it(`are what ${type} reads: what is no value for them is refused with its path`, () => {
      for (const name of Object.keys(backendSettings({ type, options: {} }))) {
        const refused = { code: "config.invalid", info: (info: { at: string }) => info.at === `$.Backend.${name}` };
        assert.throws(
          () => createBackend({ type, options: { [name]: ["no value"] } }),
          (error: { code: string; info: { at: string } }) => error.code === refused.code && refused.info(error.info),
          name,
        );
      }
    });

    it(`are what the README says of ${type}`, () => {
      const settings = Object.keys(backendSettings({ type, options: {} }));
      assert.deepEqual([...documentedMembers(type), "MTU"].toSorted(), settings.toSorted());
    });
  }

  it("are defaults where nothing is set, and what is set otherwise", () => {
    assert.deepEqual(backendSettings({ type: "host-gw", options: { mtu: 1400 } }), { MTU: 1400 });
    const { Port, CheckSource, TSO, USO } = backendSettings({ type: "udp", options: { TSO: false, Port: 7 } });
    assert.deepEqual({ Port, CheckSource, TSO, USO }, { Port: 7, CheckSource: true, TSO: false, USO: true });
  });
});
