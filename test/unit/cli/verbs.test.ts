import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FLAGS, type Flag } from "../../../src/cli/flags.ts";
import { formatGroup, formatOverview, formatVerbHelp, listVerbs } from "../../../src/cli/verb-help.ts";
import { asksForJson, isOn, matchVerb, parseVerbLine, textOf, type VerbCall } from "../../../src/cli/verbs.ts";
import { VERBS } from "../../../src/operator/verbs.ts";

function match(line: string) {
  return matchVerb(line.split(" "), VERBS);
}

function verbNamed(name: string) {
  const verb = VERBS.find((verb) => verb.name === name);
  assert.ok(verb);
  return verb;
}

function parse(line: string, env: Readonly<Record<string, string>> = {}) {
  const argv = line.split(" ");
  const matched = matchVerb(argv, VERBS);
  assert.equal(matched.kind, "verb", line);
  return parseVerbLine(matched.verb, argv, env, () => []);
}

function call(line: string, env: Readonly<Record<string, string>> = {}): VerbCall {
  const parsed = parse(line, env);
  assert.equal(parsed.kind, "call", JSON.stringify(parsed));
  return parsed.call;
}

function problems(line: string, env: Readonly<Record<string, string>> = {}): readonly string[] {
  const parsed = parse(line, env);
  assert.equal(parsed.kind, "refused");
  return parsed.problems;
}

describe("a command line", () => {
  it("without a word is the daemon's, whatever its flags", () => {
    for (const line of ["", "-iface eth0 -v=1", "-iface leases", "-etcd-prefix help"]) {
      assert.deepEqual(match(line), { kind: "none" }, line);
    }
  });

  it("names its command before, between and behind flags of all kinds", () => {
    for (const line of ["config get", "-etcd-prefix /x config -json get", "--json -timeout 3 config get -v 1"]) {
      const found = match(line);
      assert.equal(found.kind === "verb" && found.verb.name, "config get", line);
    }
  });

  it("asks for help on all commands or one", () => {
    assert.deepEqual(match("help"), { kind: "help", verb: null });
    for (const line of ["help help", "help version", "version -h", "-h leeses"]) {
      assert.deepEqual(match(line), { kind: "help", verb: null }, line);
    }
    const one = match("help config set");
    assert.equal(one.kind === "help" && one.verb?.name, "config set");
    assert.deepEqual(parse("leases --help -nope"), { kind: "help" });
  });

  it("asks for help on commands that have their first word in common", () => {
    for (const line of ["help config", "config -h", "--help config"]) {
      const found = match(line);
      assert.equal(found.kind, "group", line);
      assert.deepEqual(
        found.verbs.map(({ name }) => name),
        ["config get", "config validate", "config set"],
      );
      const text = formatGroup(found.name, found.verbs);
      assert.match(text, /^Usage: flanneld config COMMAND \[flags\]\n\n {2}config get {7}Print the network config/);
      assert.doesNotMatch(text, /leases/);
    }
    assert.equal(match("help confg").kind, "unknown");
  });

  it("asks for the version by a word, too", () => {
    assert.deepEqual(match("version"), { kind: "version" });
    assert.equal(match("version 1").kind, "unknown");
  });

  it("that has flags only is the daemon's, whatever their values", () => {
    const flags = fc.constantFrom(...FLAGS.map(({ name }) => name));
    const given = fc.array(fc.tuple(flags, fc.string()));
    fc.assert(
      fc.property(given, (pairs) => {
        const argv = pairs.map(([name, value]) => `-${name}=${value}`);
        assert.deepEqual(matchVerb(argv, VERBS), { kind: "none" });
      }),
    );
  });

  it("is read to its end, whatever the words", () => {
    const words = fc.array(
      fc.oneof(fc.string(), fc.constantFrom(...VERBS.flatMap(({ name }) => name.split(" ")), "help")),
    );
    fc.assert(
      fc.property(words, (argv) => {
        const found = matchVerb(argv, VERBS);
        if (found.kind === "verb") parseVerbLine(found.verb, argv, {}, () => []);
        if (found.kind === "unknown") assert.ok(found.problems.length > 0);
      }),
    );
  });

  const unknown: readonly (readonly [string, readonly string[]])[] = [
    [
      "leeses",
      ['unexpected word "leeses": did you mean leases? flanneld takes flags, or a command that flanneld help lists'],
    ],
    [
      "eth0 x",
      ['unexpected word "eth0": flanneld takes flags, or a command that flanneld help lists', 'unexpected word "x"'],
    ],
    ["config", ["config alone is no command: config takes one of get, validate, set"]],
    ["config sett", ['unknown command "config sett": did you mean config set? config takes one of get, validate, set']],
    [
      "verson",
      ['unexpected word "verson": did you mean version? flanneld takes flags, or a command that flanneld help lists'],
    ],
    ["help nothing", ['unexpected word "nothing": flanneld takes flags, or a command that flanneld help lists']],
  ];
  for (const [line, expected] of unknown) {
    it(`is refused with a suggestion: ${line}`, () =>
      assert.deepEqual(match(line), { kind: "unknown", problems: expected }));
  }
});

describe("the call of a command", () => {
  it("has the daemon's way to etcd, by flags and variables", () => {
    const env = { FLANNELD_ETCD_ENDPOINTS: "https://a:1", FLANNELD_ETCD_PREFIX: "/x", FLANNELD_ETCD_PASSWORD: "p" };
    const { etcd } = call("-etcd-username=u leases --etcd-prefix=/y -etcd-cafile /ca", env);
    assert.deepEqual(etcd, {
      endpoints: ["https://a:1"],
      prefix: "/y",
      tls: { caFile: "/ca", certFile: null, keyFile: null },
      auth: { username: "u", password: "p" },
    });
  });

  it("has words, its own flags, and those of every command", () => {
    const { words, json, timeout, settings } = call("reserve -public-ip 10.0.0.1 10.5.1.0/24 -json --timeout=3");
    assert.deepEqual([words, json, timeout], [["10.5.1.0/24"], true, 3000]);
    assert.equal(textOf(call("reserve 10.5.1.0/24 -public-ip=10.0.0.1"), "public-ip"), "10.0.0.1");
    assert.equal(settings["public-ip"]?.given, true);
    assert.deepEqual([isOn(call("release x -now"), "now"), isOn(call("release x -now=false"), "now")], [true, false]);
    assert.deepEqual(call("config validate").words, []);
    assert.deepEqual(call("config validate -").words, ["-"]);
  });

  it("is not touched by variables of the daemon's other flags", () => {
    const env = { FLANNELD_IP_MASQ: "true", FLANNELD_PUBLIC_IP: "10.0.0.1", FLANNELD_V: "x", FLANNELD_FORCE: "true" };
    assert.equal(textOf(call("reserve 10.5.1.0/24", env), "public-ip"), null);
    assert.equal(isOn(call("release 10.5.1.0/24", env), "force"), false);
  });

  const refused: readonly (readonly [string, readonly string[]])[] = [
    ["reserve", ["reserve needs SUBNET: flanneld reserve SUBNET [flags]"]],
    ["leases all", ['unexpected word "all"']],
    ["leases -iface=eth0", ["unknown flag -iface"]],
    ["leases -jsn", ["unknown flag -jsn (did you mean -json?)"]],
    ["leases -json=maybe", ["-json=maybe: must be true or false"]],
    ["leases -timeout=0", ["-timeout must be between 1 and 3600 seconds"]],
    ["leases -timeout=soon", ["-timeout must be between 1 and 3600 seconds"]],
    ["leases -etcd-endpoints=ftp://a:1", ['-etcd-endpoints: "ftp://a:1" must begin with http:// or https://']],
    ["leases -no-ttl false", ['-no-ttl false: a bool takes its value after "=", write -no-ttl=false']],
  ];
  for (const [line, expected] of refused) it(`is refused: ${line}`, () => assert.deepEqual(problems(line), expected));

  it("is refused with every problem at once, and by the variable's name", () => {
    assert.equal(problems("leases x -nope -timeout=0", { FLANNELD_ETCD_USERNAME: "u" }).length, 3);
    assert.deepEqual(problems("leases", { FLANNELD_ETCD_USERNAME: "u" }), [
      "FLANNELD_ETCD_USERNAME needs -etcd-password: set both or none",
    ]);
  });
});

describe("a command line that is wrong", () => {
  it("is known to ask for JSON, whatever else stands in it", () => {
    for (const line of ["leases --json --nope", "leeses -json", "reserve -json=true", "config -json=0 -json"]) {
      assert.equal(asksForJson(line.split(" "), VERBS), true, line);
    }
    for (const line of ["leases", "leases -json=0", "leases -etcd-prefix -json", "--json", "-log-format json x"]) {
      assert.equal(asksForJson(line.split(" "), VERBS), false, line);
    }
  });
});

describe("the commands", () => {
  it("give no flag another type than the daemon or another command does", () => {
    const types = new Map<string, string>(FLAGS.map((flag: Flag) => [flag.name, flag.type]));
    for (const { name, type } of VERBS.flatMap(({ flags }) => flags)) {
      assert.equal(types.get(name) ?? type, type, name);
      types.set(name, type);
    }
  });

  it("have no variables for their own flags, which would last from one call to the next", () => {
    const isDaemons = ({ name }: Flag) => FLAGS.some((flag) => flag.name === name);
    const own = VERBS.flatMap(({ name, flags }) => flags.filter((flag) => name !== "check" || !isDaemons(flag)));
    for (const flag of own) assert.equal(flag.env, false, flag.name);
  });

  it("explain themselves in 80 columns, with their flags and, if they ask etcd, those for it", () => {
    for (const verb of VERBS) {
      const help = formatVerbHelp(verb);
      assert.ok(help.startsWith(`Usage: flanneld ${verb.name} `), help);
      for (const name of [...verb.flags.map((flag) => flag.name), "json", "timeout"]) {
        assert.match(help, new RegExp(`^  -${name}[ [=]`, "m"));
      }
      assert.equal(/^ {2}-etcd-endpoints /m.test(help), verb.asks === "etcd");
      assert.doesNotMatch(help, verb.name === "check" ? /^ +-healthz/m : /^ +-(iface|healthz)/m);
      for (const line of help.split("\n")) assert.ok(line.length <= 80, line);
    }
    for (const line of formatOverview(VERBS).split("\n")) assert.ok(line.length <= 80, line);
    assert.equal(listVerbs(VERBS).length, VERBS.length + 2);
  });

  it("say in their usage which words may be missing", () => {
    assert.match(formatVerbHelp(verbNamed("config validate")), /validate \[FILE\|-\|JSON\] \[flags\]/);
    assert.match(formatVerbHelp(verbNamed("config set")), /set FILE\|-\|JSON \[flags\]/);
  });
});
