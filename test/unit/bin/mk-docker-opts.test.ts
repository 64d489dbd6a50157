import assert from "node:assert/strict";
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { attempt, type Output } from "../../../lab/run.ts";

const { signal } = new AbortController();
const PROGRAM = join(import.meta.dirname, "../../../../bin/mk-docker-opts");
const SAMPLE = "FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_SUBNET=10.1.74.1/24\nFLANNEL_MTU=1472\nFLANNEL_IPMASQ=false\n";
const BIP = 'DOCKER_OPT_BIP="--bip=10.1.74.1/24"\n';
const MASQUERADE = 'DOCKER_OPT_IPMASQ="--ip-masq=true"\n';
const MTU = 'DOCKER_OPT_MTU="--mtu=1472"\n';
const ALL = '" --bip=10.1.74.1/24 --ip-masq=true --mtu=1472"\n';

let directory = "";
let input = "";
let output = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "flanneld-test-"));
  input = join(directory, "subnet.env");
  output = join(directory, "docker");
  writeFileSync(input, SAMPLE);
});
afterEach(() => rmSync(directory, { recursive: true }));

async function make(flags: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Output> {
  return await attempt([PROGRAM, "-f", input, "-d", output, ...flags], { env }, signal);
}

async function writes(flags: readonly string[], text: string, env?: Readonly<Record<string, string>>): Promise<void> {
  const { status, stderr } = await make(flags, env);
  assert.deepEqual([status, stderr, readFileSync(output, "utf8")], [0, "", text]);
}

/** A command of that name, found before the real one. */
function pretend(command: string, script: string): Readonly<Record<string, string>> {
  writeFileSync(join(directory, command), `#!/bin/sh\n${script}\n`);
  chmodSync(join(directory, command), 0o755);
  return { PATH: `${directory}:${process.env["PATH"]}` };
}

describe("mk-docker-opts", () => {
  it("writes each option and all of them together", async () => {
    await writes([], `${BIP}${MASQUERADE}${MTU}DOCKER_OPTS=${ALL}`);
  });

  it("writes only the single options with -i, only the combined one with -c", async () => {
    await writes(["-i"], `${BIP}${MASQUERADE}${MTU}`);
    await writes(["-c"], `DOCKER_OPTS=${ALL}`);
    await writes(["-i", "-c"], `${BIP}${MASQUERADE}${MTU}DOCKER_OPTS=${ALL}`);
  });

  it("names the combined variable as -k says", async () => {
    await writes(["-k", "CUSTOM_KEY"], `${BIP}${MASQUERADE}${MTU}CUSTOM_KEY=${ALL}`);
    await writes(["-ck", "DOCKER_NETWORK_OPTIONS"], `DOCKER_NETWORK_OPTIONS=${ALL}`);
  });

  it("leaves masquerading out with -m, also when the file says nonsense about it", async () => {
    await writes(["-m"], `${BIP}${MTU}DOCKER_OPTS=" --bip=10.1.74.1/24 --mtu=1472"\n`);
    writeFileSync(input, SAMPLE.replace("=false", "=maybe"));
    await writes(["-m", "-i"], `${BIP}${MTU}`);
  });

  it("has Docker masquerade exactly when flannel does not", async () => {
    writeFileSync(input, SAMPLE.replace("=false", "=true"));
    await writes(["-i"], `${BIP}${MASQUERADE.replace("true", "false")}${MTU}`);
  });

  it("reads a file without a slash in its name from where it is called, as it writes one", async () => {
    const command = ["sh", "-c", 'cd "$1" && exec "$2" -f subnet.env -d docker -c', "sh", directory, PROGRAM];
    const { status, stderr } = await attempt(command, {}, signal);
    assert.deepEqual([status, stderr, readFileSync(output, "utf8")], [0, "", `DOCKER_OPTS=${ALL}`]);
  });

  it("makes no options of a missing file", async () => {
    rmSync(input);
    await writes(["-c"], 'DOCKER_OPTS=""\n');
    await writes(["-i"], "");
  });

  it("keeps what the combined variable held before", async () => {
    await writes(["-c"], 'DOCKER_OPTS="foo  --bip=10.1.74.1/24 --ip-masq=true --mtu=1472"\n', { DOCKER_OPTS: "foo" });
  });

  it("takes further DOCKER_OPT_ variables of the environment, whatever is in them", async () => {
    const env = { DOCKER_OPT_LOG: "--log-opt tag=a b", DOCKER_OPT_Z: 'say "$x"', OTHER: "\nDOCKER_OPT_FAKE=1" };
    const log = 'DOCKER_OPT_LOG="--log-opt tag=a b"\n';
    await writes(["-i"], `${BIP}${MASQUERADE}${log}${MTU}DOCKER_OPT_Z="say \\"\\$x\\""\n`, env);
  });

  it("refuses a masquerading that is neither true nor false, and leaves the old file", async () => {
    writeFileSync(output, "old\n");
    writeFileSync(input, SAMPLE.replace("=false", "=maybe"));
    const { status, stderr } = await make([]);
    assert.deepEqual([status, stderr], [1, "Invalid value of FLANNEL_IPMASQ: maybe\n"]);
    assert.equal(readFileSync(output, "utf8"), "old\n");
  });

  for (const flags of [["-h"], ["-?"], ["-x"], ["-k"]]) {
    it(`explains itself on standard error and writes nothing with ${flags.join(" ")}`, async () => {
      const { status, stdout, stderr } = await make(flags);
      assert.deepEqual([status, stdout], [1, ""]);
      assert.match(stderr, /-k {2}name of that variable; default DOCKER_OPTS/);
      assert.ok(!readdirSync(directory).includes("docker"));
    });
  }

  it("refuses a -k that is no name, before a shell gets to see it", async () => {
    const { status, stderr } = await make(["-k", "X;touch hacked"]);
    assert.deepEqual([status, stderr], [1, "-k X;touch hacked: not the name of a variable\n"]);
  });

  it("replaces the file at once, readable by all, and leaves no other behind", async () => {
    writeFileSync(output, "old\n", { mode: 0o600 });
    const { ino } = statSync(output);
    await writes(["-c"], `DOCKER_OPTS=${ALL}`);
    assert.notEqual(statSync(output).ino, ino);
    assert.equal(statSync(output).mode & 0o777, 0o644);
    assert.deepEqual(readdirSync(directory).sort(), ["docker", "subnet.env"]);
  });

  it("writes through a link and does not replace it, as /dev/stdout is one", async () => {
    writeFileSync(join(directory, "target"), "");
    symlinkSync(join(directory, "target"), output);
    await writes(["-c"], `DOCKER_OPTS=${ALL}`);
    assert.ok(lstatSync(output).isSymbolicLink());
  });

  it("makes the directory of the file", async () => {
    output = join(directory, "run/flannel/docker");
    await writes(["-c"], `DOCKER_OPTS=${ALL}`);
  });

  it("says which file it cannot write", async () => {
    output = join(input, "docker");
    const { status, stderr } = await make(["-c"]);
    assert.equal(status, 1);
    assert.match(stderr, /^cannot make .*subnet\.env$/m);
  });

  it("reports another host's route over the subnet and does not fail for it", async () => {
    const env = pretend("ip", 'echo "$*" >"$0.args"; echo "10.1.74.0/24 via 192.168.0.7 dev eth0"');
    const { status, stderr } = await make(["-c"], env);
    const route = "10.1.74.0/24 via 192.168.0.7 dev eth0";
    assert.deepEqual([status, stderr], [0, `Your routing table already contains the subnet: ${route}\n`]);
    assert.equal(readFileSync(join(directory, "ip.args"), "utf8"), "-4 route show exact 10.1.74.0/24\n");
    assert.equal(readFileSync(output, "utf8"), `DOCKER_OPTS=${ALL}`);
  });

  it("is not troubled by an ip that fails", async () => {
    await writes(["-c"], `DOCKER_OPTS=${ALL}`, pretend("ip", "exit 2"));
  });
});
