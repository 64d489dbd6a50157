import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { run } from "../../../lab/run.ts";
import { bashCompletion, fishCompletion, zshCompletion } from "../../../packaging/completions.ts";
import { SURFACE, type Surface } from "../../../packaging/surface.ts";
import { FLAGS, type Flag } from "../../../src/cli/flags.ts";

const { signal } = new AbortController();
const built = (FLAGS as readonly Flag[]).filter(({ notBuilt }) => notBuilt === null);
const DAEMON: Surface = { flags: FLAGS, commands: [], common: [] };
const COMMANDS: Surface = {
  flags: FLAGS,
  commands: ["config get", "config set", "leases"].map((name) => ({
    name,
    summary: `${name}'s`,
    words: name === "config set" ? [{ name: "FILE|-", optional: false }] : [],
    flags: [],
  })),
  common: [],
};

/** What a real bash offers after these words; the last is the one to complete. */
async function offered(words: readonly string[], surface: Surface = DAEMON): Promise<readonly string[]> {
  const call = `COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _flanneld; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const script = `${bashCompletion(surface)}\n${call}`;
  const { stdout } = await run(["bash", "-c", script, "bash", "flanneld", ...words], {}, signal);
  return stdout.split("\n").filter((word) => word !== "");
}

describe("the completion for bash", () => {
  it("offers every flag that is built, with as many dashes as were typed", async () => {
    const names = built.map(({ name, type }) => (type === "bool" ? name : `${name}=`)).sort();
    assert.deepEqual(
      (await offered(["--"])).toSorted(),
      names.map((name) => `--${name}`),
    );
    assert.deepEqual(
      (await offered(["-"])).toSorted(),
      names.map((name) => `-${name}`),
    );
    assert.deepEqual(await offered(["--etcd-ca"]), ["--etcd-cafile="]);
  });

  it("knows values, after a blank and after =, which is a word of its own to bash", async () => {
    assert.deepEqual(await offered(["--log-format", ""]), ["text", "json"]);
    assert.deepEqual(await offered(["--log-format", "=", "j"]), ["json"]);
    assert.deepEqual(await offered(["--log-format", "="]), ["text", "json"]);
    assert.ok((await offered(["-iface", "l"])).includes("lo"));
    assert.ok((await offered(["-etcd-cafile", "/etc/pass"])).includes("/etc/passwd"));
    assert.deepEqual(await offered(["-public-ip", "-"]), []);
  });

  it("offers the words of commands", async () => {
    assert.ok((await offered(["con"], SURFACE)).includes("config"));
    assert.deepEqual(await offered(["ver"], SURFACE), ["version"]);
    assert.deepEqual(await offered([""], COMMANDS), ["config", "leases"]);
    assert.deepEqual(await offered(["config", "g"], COMMANDS), ["get"]);
    assert.deepEqual(await offered(["-iface", "eth0", "lea"], SURFACE), ["leases"]);
    assert.deepEqual(await offered(["help", "conf"], SURFACE), ["config"]);
  });

  it("offers after a command no other one, a file where it takes one, and what all commands have", async () => {
    assert.deepEqual(await offered(["status", ""], SURFACE), []);
    assert.ok((await offered(["config", "set", "/etc/pass"], SURFACE)).includes("/etc/passwd"));
    assert.deepEqual(await offered(["status", "--js"], SURFACE), ["--json"]);
  });
});

describe("the completions for zsh and fish", () => {
  it("name every flag that is built, and commands", () => {
    for (const { name } of built) {
      assert.ok(zshCompletion(SURFACE).includes(`--${name}`), name);
      assert.ok(fishCompletion(SURFACE).includes(`-l ${name} `), name);
    }
    for (const text of [zshCompletion(SURFACE), fishCompletion(SURFACE)]) assert.match(text, /[- ]json\b/);
  });

  it("know the second words of a command, which are none of their own", () => {
    assert.match(
      zshCompletion(COMMANDS),
      /^ {4}1:\*\) words_of=\('config:One of get, set\.' 'leases:leases'\\''s'\) ;;$/m,
    );
    assert.match(zshCompletion(COMMANDS), /^ {4}2:config\) words_of=\('get:config get'\\''s' 'set:/m);
    const fish = fishCompletion(COMMANDS);
    assert.match(fish, /^complete -c flanneld -n '__fish_use_subcommand' -a config -d 'One of get, set\.'$/m);
    const after = "__fish_seen_subcommand_from config; and not __fish_seen_subcommand_from get set";
    assert.ok(fish.includes(`complete -c flanneld -n '${after}' -a get -d 'config get\\'s'\n`), fish);
  });
});
