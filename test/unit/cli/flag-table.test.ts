import assert from "node:assert/strict";
import { it } from "node:test";
import { formatFlagTable } from "../../../src/cli/flag-table.ts";
import { FLAGS } from "../../../src/cli/flags.ts";

it("formatFlagTable() has a row of four cells for every flag", () => {
  const [, , ...rows] = formatFlagTable().split("\n");
  assert.equal(rows.length, FLAGS.length);
  for (const [index, row] of rows.entries()) {
    assert.ok(row.startsWith(`| \`--${FLAGS[index]?.name}\` |`), row);
    assert.equal(row.replaceAll("\\|", "").split("|").length, 6, row);
  }
});
