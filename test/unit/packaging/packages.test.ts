import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NOBODY, parseMaintainer } from "../../../packaging/edition.ts";
import { parseLibraries } from "../../../packaging/libraries.ts";
import { formatSpec } from "../../../packaging/rpm.ts";
import { architectureOf } from "../../../packaging/runtime.ts";
import { text } from "../../../packaging/tree.ts";

const SOURCES = {
  root: "",
  program: "",
  runtime: { version: "", executable: "", headers: "", license: "" },
  edition: { version: "1.2.3", date: 1_700_000_000 },
  maintainer: NOBODY,
};

describe("packages", () => {
  it("ask for the newest glibc that any part was linked with, and for other libraries once", () => {
    const said = [
      "  NEEDED               libstdc++.so.6",
      "  NEEDED               libc.so.6",
      "    0x09691a75 0x00 05 GLIBC_2.9",
      "    0x06969194 0x00 04 GLIBC_2.34",
      "  NEEDED               libstdc++.so.6",
    ].join("\n");
    assert.deepEqual(parseLibraries(said), { glibc: "2.34", libraries: ["libstdc++.so.6"] });
  });

  it("say what another architecture needs", () => {
    assert.equal(architectureOf("amd64", "x64").rpm, "x86_64");
    assert.throws(() => architectureOf("arm64", "x64"), /built on a machine of that architecture \(this is amd64\)/);
    assert.throws(() => architectureOf("mips", "x64"), /--arch mips: must be one of amd64, arm64/);
  });

  it("leave the administrator's file alone", () => {
    const entry = { ...text("/etc/sysconfig/flanneld", "x", 0o600), config: true as const };
    const spec = formatSpec(SOURCES, [entry]);
    assert.match(spec, /^%config\(noreplace\) %attr\(0600,root,root\) \/etc\/sysconfig\/flanneld$/m);
    assert.match(spec, /^\* Tue Nov 14 2023 No contact given <nobody@flanneld\.invalid> - 1\.2\.3-1$/m);
  });

  it("take the directories away that they have brought, and none of the system's", () => {
    const entries = ["/etc/sysconfig/flanneld", "/usr/share/doc/flanneld/monitoring/a", "/usr/lib/flannel/b"];
    const spec = formatSpec(
      SOURCES,
      entries.map((path) => text(path, "x")),
    );
    const owned = [...spec.matchAll(/^%dir %attr\(0755,root,root\) (.*)$/gm)].map(([, path]) => path);
    assert.deepEqual(owned, ["/usr/lib/flannel", "/usr/share/doc/flanneld", "/usr/share/doc/flanneld/monitoring"]);
  });

  it("name who answers for them, in a form that both kinds of packages take", () => {
    for (const text of ["Jane Doe <jane@example.org>", NOBODY]) assert.equal(parseMaintainer(text), text);
    for (const text of ["", "Jane Doe", "jane@example.org", "<jane@example.org>", "A, B <a@b>", "A <a@b> <c@d>"])
      assert.throws(() => parseMaintainer(text), /--maintainer .*: must be "NAME <ADDRESS>"/, text);
  });
});
