import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { EXIT_STATUS, escapeRoff, manPages } from "../../../packaging/man-pages.ts";
import { SURFACE } from "../../../packaging/surface.ts";
import { envName, FLAGS, type Flag } from "../../../src/cli/flags.ts";

const EDITION = { version: "1.2.3", date: 1_700_000_000 };
const pages = new Map(manPages(SURFACE, EDITION).map(({ file, text }) => [file, text]));
const page = (file: string) => pages.get(file) ?? "";

describe("the manual pages", () => {
  it("name every flag, its variable and its default", () => {
    for (const flag of FLAGS as readonly Flag[]) {
      assert.ok(page("flanneld.8").includes(`\\fB\\-\\-${escapeRoff(flag.name)}\\fR`), flag.name);
      if (flag.env) assert.ok(page("flanneld.8").includes(`Variable: ${envName(flag)}.`), flag.name);
      if (flag.default !== "")
        assert.ok(page("flanneld.8").includes(`Default: ${escapeRoff(flag.default)}.`), flag.name);
    }
  });

  it("describe commands and their flags when there are any", () => {
    const [first] = FLAGS;
    const words = [{ name: "FILE|-", optional: true }];
    const command = { name: "config get", summary: "Show the network config.", words, flags: [first] };
    const [{ text } = { text: "" }] = manPages({ flags: [], commands: [command], common: [] }, EDITION);
    assert.match(text, /^\.SH COMMANDS$/m);
    assert.match(text, /^\\fBflanneld config get\\fR \[\\fIFILE\|\\-\\fR\]\nShow the network config\.$/m);
  });

  it("describe the flags that all commands have, once", () => {
    assert.equal(page("flanneld.8").split("\\fB\\-\\-json\\fR").length, 2);
    assert.ok(page("flanneld.8").includes("\\fB\\-\\-timeout\\fR=\\fIint\\fR"));
  });

  it("know every exit status of the README", () => {
    const readme = readFileSync(join(import.meta.dirname, "../../../../README.md"), "utf8");
    const listed = [...readme.matchAll(/^\| (\d+) \| /gm)].map(([, status]) => status);
    assert.deepEqual(
      EXIT_STATUS.map(([status]) => status),
      listed,
    );
  });

  it("carry the date and the version of the source, nothing of the day of the build", () => {
    assert.match(page("flanneld.conf.5"), /^\.TH FLANNELD\.CONF 5 "2023-11-14" "flanneld 1\.2\.3"$/m);
  });

  it("keep text that looks like a request or an escape", () => {
    assert.equal(escapeRoff(".so /etc\n'x a\\b -c"), "\\&.so /etc\n\\&'x a\\eb \\-c");
  });
});
