import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { exitStatusOf, FlannelError } from "../../../src/base/errors.ts";
import { formatFlagTable } from "../../../src/cli/flag-table.ts";

/** This file runs from dist/test/unit/cli. */
const README = readFileSync(join(import.meta.dirname, "../../../../README.md"), "utf8");

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
      new Error("a bug"),
    ];
    for (const status of errors.map(exitStatusOf)) assert.match(README, new RegExp(`^\\| ${status} \\|`, "m"));
  });
});
