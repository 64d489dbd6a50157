import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { exitStatusOf, FlannelError } from "../../../src/base/errors.ts";
import { formatFlagTable } from "../../../src/cli/flag-table.ts";
import { VERBS } from "../../../src/operator/verbs.ts";

/** This file runs from dist/test/unit/cli. */
const ROOT = join(import.meta.dirname, "../../../..");
const README = readFileSync(join(ROOT, "README.md"), "utf8");
const OPERATING = readFileSync(join(ROOT, "docs/operating.md"), "utf8");

describe("the README", () => {
  it("has the table of flags as the program knows them", () => {
    const table = /<!-- flags -->\n([\s\S]*)\n<!-- \/flags -->/.exec(README)?.[1];
    assert.equal(table, formatFlagTable().trim());
  });

  it("lists every exit status that an error leads to", () => {
    const errors = [
      new FlannelError("usage.invalid", { problems: [] }),
      new FlannelError("config.invalid", { at: "$", reason: "" }),
      new FlannelError("privilege.missing", { capability: "CAP_NET_ADMIN" }),
      new FlannelError("netlink.malformed", { what: "", offset: 0 }),
      new FlannelError("request.refused", { hint: null, reason: "" }),
      new FlannelError("output.failed", { reason: "" }),
      new Error("a bug"),
    ];
    for (const status of errors.map(exitStatusOf)) assert.match(README, new RegExp(`^\\| ${status} \\|`, "m"));
  });
});

describe("docs/operating.md", () => {
  it("explains every command and each of its flags", () => {
    for (const { name, flags } of VERBS) {
      const [, section] = new RegExp(`^## ${name}\n([\\s\\S]*?)(?=^## |$(?![\\s\\S]))`, "m").exec(OPERATING) ?? [];
      assert.ok(section !== undefined, name);
      for (const flag of flags) assert.ok(section.includes(`--${flag.name}`), `${name} --${flag.name}`);
      assert.ok(OPERATING.includes(`| [\`${name}\`](#${name.replaceAll(" ", "-")}) |`), name);
    }
  });
});
