import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { envName, FLAGS, type Flag } from "../../../src/cli/flags.ts";
import { formatHelp, resolveSettings } from "../../../src/cli/program.ts";
import { listVerbs } from "../../../src/cli/verb-help.ts";
import { VERBS } from "../../../src/operator/verbs.ts";

const flags: readonly Flag[] = FLAGS;

describe("resolveSettings()", () => {
  it("gives every flag its default", () => {
    const settings = resolveSettings([], {});
    for (const flag of flags) {
      const { values, given } = settings[flag.name as keyof typeof settings];
      assert.deepEqual(
        { values, given },
        { values: flag.type === "list" ? [] : [flag.default], given: false },
        flag.name,
      );
    }
  });

  it("takes every flag from its variable", () => {
    for (const flag of flags.filter(({ env }) => env)) {
      const setting = resolveSettings([], { [envName(flag)]: "x" })[flag.name as (typeof FLAGS)[number]["name"]];
      assert.deepEqual(setting, { values: ["x"], given: true, written: envName(flag) });
    }
  });

  it("takes every flag from the command line first, also when it gives the default", () => {
    for (const flag of flags) {
      const env = { [envName(flag)]: "from-env" };
      const settings = resolveSettings([{ name: flag.name, value: flag.default || "x" }], env);
      const setting = settings[flag.name as keyof typeof settings];
      assert.deepEqual(setting, { values: [flag.default || "x"], given: true, written: `-${flag.name}` });
    }
  });

  it("takes an empty text for unset, on the command line as in a variable", () => {
    const empty = [{ name: "etcd-prefix", value: "" }];
    const unset = { values: ["/coreos.com/network"], given: false, written: "-etcd-prefix" };
    assert.deepEqual(resolveSettings(empty, {})["etcd-prefix"], unset);
    assert.deepEqual(resolveSettings([], { FLANNELD_ETCD_PREFIX: "" })["etcd-prefix"], unset);
    assert.deepEqual(resolveSettings(empty, { FLANNELD_ETCD_PREFIX: "/k" })["etcd-prefix"].values, ["/k"]);
    assert.deepEqual(
      resolveSettings([...empty, { name: "etcd-prefix", value: "/c" }, ...empty], {})["etcd-prefix"].values,
      ["/c"],
    );
  });

  it("lets the last of a repeated flag win and collects a list", () => {
    const given = ["1", "2"].flatMap((value) => ["v", "iface", "iface-regex"].map((name) => ({ name, value })));
    const { v, iface, "iface-regex": regexes } = resolveSettings(given, {});
    assert.deepEqual([v.values, iface.values, regexes.values], [["2"], ["1", "2"], ["1", "2"]]);
  });

  it("makes one element of a list variable and none of an empty text", () => {
    assert.deepEqual(resolveSettings([], { FLANNELD_IFACE: "eth0,eth1" }).iface.values, ["eth0,eth1"]);
    assert.deepEqual(resolveSettings([{ name: "iface", value: "" }], {}).iface.values, []);
  });

  it("does not add the variable to a list of the command line", () => {
    const { iface } = resolveSettings([{ name: "iface", value: "eth1" }], { FLANNELD_IFACE: "eth0" });
    assert.deepEqual(iface.values, ["eth1"]);
  });

  it("takes values that look like flags as they are", () => {
    for (const value of ["--", "-x", "--iface=x", "a=b", " "]) {
      assert.deepEqual(resolveSettings([{ name: "public-ip", value }], {})["public-ip"].values, [value]);
    }
  });

  it("leaves FLANNELD_VERSION alone", () => {
    assert.equal(resolveSettings([], { FLANNELD_VERSION: "true" }).version.given, false);
  });

  it("does not look at the environment of the process", () => {
    process.env["FLANNELD_IFACE"] = "eth9";
    try {
      assert.equal(resolveSettings([], {}).iface.given, false);
    } finally {
      delete process.env["FLANNELD_IFACE"];
    }
  });
});

describe("formatHelp()", () => {
  const help = formatHelp();

  it("names every flag once, with its variable, its type and its default", () => {
    for (const flag of flags) {
      const suffix = flag.type === "bool" ? "[=bool]" : ` ${flag.type}`;
      assert.equal(help.split("\n").filter((line) => line === `  -${flag.name}${suffix}`).length, 1, flag.name);
      if (flag.env) assert.match(help, new RegExp(`\\b${envName(flag)}\\)`));
      if (flag.default) assert.ok(help.includes(`default ${flag.default}`), flag.name);
    }
  });

  it("lists the commands that there are", () => {
    const lines = formatHelp(listVerbs(VERBS)).split("\n");
    for (const { name, summary } of VERBS)
      assert.ok(lines.some((line) => line.includes(name) && line.endsWith(summary)));
    assert.doesNotMatch(help, /Commands/);
  });

  it("fits into 80 columns", () => {
    for (const line of formatHelp(listVerbs(VERBS)).split("\n")) assert.ok(line.length <= 80, line);
  });

  it("explains the variables and the exit status", () => {
    assert.match(help, /the command line wins/);
    assert.match(help, /Exit status: .*64.*75.*77/s);
  });

  it("says which functions are not built", () => {
    assert.match(help, /-kube-subnet-mgr.*\n.*\n\s+\(not built yet;/);
  });
});
