import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FLAGS } from "../../../src/cli/flags.ts";
import { parseGoBoolean, parseGoInteger, readGoFlags } from "../../../src/cli/go-flags.ts";

function read(...argv: string[]) {
  return readGoFlags(argv, FLAGS);
}

function given(...argv: string[]): readonly string[] {
  const { given, help, problems } = read(...argv);
  assert.deepEqual(problems, []);
  assert.equal(help, false);
  return given.map(({ name, value }) => `${name}|${value}`);
}

describe("readGoFlags()", () => {
  it("takes one dash and two for the same", () => {
    assert.deepEqual(given("-public-ip=a", "--public-ip=b"), ["public-ip|a", "public-ip|b"]);
  });

  it("takes the value after the first equals sign or from the next word", () => {
    assert.deepEqual(given("-iface-regex=a=b", "-iface-regex", "c=d", "-v=", "--v", "10"), [
      "iface-regex|a=b",
      "iface-regex|c=d",
      "v|",
      "v|10",
    ]);
  });

  it("takes the next word as a value whatever it looks like", () => {
    assert.deepEqual(given("-public-ip", "-v", "-iface", "--", "-iface", ""), ["public-ip|-v", "iface|--", "iface|"]);
  });

  it("reads a bool without a value as true and never takes the next word for it", () => {
    assert.deepEqual(given("-ip-masq", "-version", "-ip-masq=false"), [
      "ip-masq|true",
      "version|true",
      "ip-masq|false",
    ]);
  });

  it("keeps repetitions in their order", () => {
    assert.deepEqual(given("-iface=b", "-v=1", "-iface=a"), ["iface|b", "v|1", "iface|a"]);
  });

  it("passes over an empty word, as systemd makes of an empty variable", () => {
    assert.deepEqual(given("", "-v=1", ""), ["v|1"]);
  });

  it("finds help under its three names, whatever else is there", () => {
    for (const word of ["-h", "-help", "--help", "--h", "-help=1"]) {
      assert.equal(read("-no-such", "word", word).help, true, word);
    }
  });

  it("does not see flags behind --", () => {
    const { help, given, words, problems } = read("-v=1", "--", "-help");
    assert.deepEqual({ help, given }, { help: false, given: [{ name: "v", value: "1" }] });
    assert.deepEqual([words, problems], [["-help"], []]);
  });

  it("hands on what is no flag, in its order", () => {
    const { given, words, problems } = read("config", "-ip-masq", "get", "-v", "1", "-", "true");
    assert.deepEqual([words, problems], [["config", "get", "-", "true"], []]);
    assert.equal(given.length, 2);
  });

  const problems: readonly (readonly [readonly string[], string])[] = [
    [["-etcd-endpoint"], "unknown flag -etcd-endpoint (did you mean -etcd-endpoints?)"],
    [["-ETCD-PREFIX=/x"], "unknown flag -ETCD-PREFIX"],
    [["-logtostderr"], "unknown flag -logtostderr"],
    [["-etcd-endpoint", "http://a:1"], "unknown flag -etcd-endpoint (did you mean -etcd-endpoints?)"],
    [["-ip-masq", "false"], '-ip-masq false: a bool takes its value after "=", write -ip-masq=false'],
    [["---v=1"], "---v=1 is not a flag: write -name or --name"],
    [["--=1"], "--=1 is not a flag: write -name or --name"],
    [["-public-ip"], "-public-ip needs a value"],
  ];
  for (const [argv, problem] of problems) {
    it(`refuses "${argv.join(" ")}"`, () => assert.deepEqual(read(...argv).problems, [problem]));
  }

  it("goes on behind a problem and finds all of them", () => {
    const { given, problems } = read("---x", "-nope", "-v=1", "-iface");
    assert.equal(problems.length, 3);
    assert.deepEqual(given, [{ name: "v", value: "1" }]);
  });

  it("never shows the value of an unknown flag, which may be a misspelt password", () => {
    for (const argv of [["-etcd-passwort=hunter2"], ["-etcd-passwort", "hunter2"]]) {
      assert.doesNotMatch(read(...argv).problems.join("\n"), /hunter2/);
    }
  });

  it("reads back what was written as -name=value, for every flag and value", () => {
    const names = fc.constantFrom(...FLAGS.map(({ name }) => name));
    fc.assert(
      fc.property(fc.array(fc.record({ name: names, value: fc.string() }, { noNullPrototype: true })), (flags) => {
        const { given, problems } = read(...flags.map(({ name, value }) => `-${name}=${value}`));
        assert.deepEqual(given, flags);
        assert.deepEqual(problems, []);
      }),
    );
  });

  it("ends for any words at all", () => {
    fc.assert(fc.property(fc.array(fc.string()), (argv) => void read(...argv)));
  });
});

describe("parseGoBoolean()", () => {
  it("knows Go's literals and no others", () => {
    for (const text of ["1", "t", "T", "true", "TRUE", "True"]) assert.equal(parseGoBoolean(text), true, text);
    for (const text of ["0", "f", "F", "false", "FALSE", "False"]) assert.equal(parseGoBoolean(text), false, text);
    for (const text of ["", "yes", "tRUE", "on", "2", "true "]) assert.equal(parseGoBoolean(text), null, text);
  });
});

describe("parseGoInteger()", () => {
  const literals: readonly (readonly [string, number | null])[] = [
    ["60", 60],
    ["+60", 60],
    ["-60", -60],
    ["0", 0],
    ["-0", 0],
    ["0x3c", 60],
    ["0X3C", 60],
    ["0b11", 3],
    ["0o17", 15],
    ["017", 15],
    ["00", 0],
    ["1_000", 1000],
    ["0x_3c", 60],
    ["0_17", 15],
    ["08", null],
    ["0x", null],
    ["1__0", null],
    ["_1", null],
    ["1_", null],
    ["1.0", null],
    ["1e3", null],
    ["60m", null],
    [" 1", null],
    ["", null],
    ["-", null],
  ];
  for (const [text, value] of literals) {
    it(`reads ${JSON.stringify(text)} as ${value}`, () => assert.equal(parseGoInteger(text), value));
  }

  it("reads every integer back in each base", () => {
    fc.assert(
      fc.property(fc.integer(), (value) => {
        const size = Math.abs(value);
        const sign = value < 0 ? "-" : "";
        for (const digits of [`${size}`, `0x${size.toString(16)}`, `0b${size.toString(2)}`, `0o${size.toString(8)}`]) {
          assert.equal(parseGoInteger(sign + digits), value);
        }
      }),
    );
  });
});
