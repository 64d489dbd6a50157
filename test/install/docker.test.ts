// What is made for Docker, looked at by Docker's own programs. They are Debian 13's, because dockerd of Debian 12 cannot
// validate; no dockerd is started.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { attempt, run } from "../../lab/run.ts";
import { DOCKER, unpackDocker } from "../support/docker-programs.ts";
import { ROOT } from "../support/packages.ts";

const { signal } = new AbortController();

const SUBNET = "FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.23.1/24\nFLANNEL_MTU=1450\n";
const SUBNET_FILES = {
  "without masquerading": `${SUBNET}FLANNEL_IPMASQ=false\n`,
  "with flannel's masquerading": `${SUBNET}FLANNEL_IPMASQ=true\n`,
  "of two families": `${SUBNET}FLANNEL_IPV6_NETWORK=fd00:5::/48\nFLANNEL_IPV6_SUBNET=fd00:5:0:17::1/64\nFLANNEL_IPMASQ=false\n`,
};
const FLAGS = [
  "",
  "-i",
  "-c",
  "-m",
  "-i -c",
  "-i -m",
  "-c -m",
  "-i -c -m",
  "-k DOCKER_NETWORK_OPTIONS",
  "-c -m -k OPTIONS",
];

describe("Docker's own programs", () => {
  let directory = "";

  const inDocker = (...command: string[]) => attempt(["chroot", DOCKER, ...command], {}, signal);
  const validate = (words: readonly string[]) => inDocker("/usr/sbin/dockerd", "--validate", ...words);

  /** The words that dockerd gets: of the variable that has all of them, or of those that have one each. */
  const wordsOf = async (subnetFile: string, flags: string): Promise<readonly string[]> => {
    const [from, to] = [join(directory, "subnet.env"), join(directory, "docker")];
    writeFileSync(from, subnetFile);
    const words = flags.split(" ").filter((word) => word !== "");
    await run([join(ROOT, "bin/mk-docker-opts"), "-f", from, "-d", to, ...words], {}, signal);
    const key = /-k (\w+)/.exec(flags)?.[1] ?? "DOCKER_OPTS";
    const used = /-i(?!.*-c)/.test(flags) ? "$DOCKER_OPT_BIP $DOCKER_OPT_IPMASQ $DOCKER_OPT_MTU" : `$${key}`;
    const { stdout } = await run(
      ["sh", "-c", `. "$1"; for word in ${used}; do echo "$word"; done`, "sh", to],
      {},
      signal,
    );
    return stdout.trim().split("\n");
  };

  before(async () => {
    await unpackDocker(signal);
    directory = mkdtempSync(join(DOCKER, "tmp/flanneld-"));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  for (const [name, text] of Object.entries(SUBNET_FILES)) {
    it(`take the options that mk-docker-opts makes of a subnet.env ${name}`, async () => {
      for (const flags of FLAGS) {
        const words = await wordsOf(text, flags);
        assert.deepEqual([words.length, words[0]], [flags.includes("-m") ? 2 : 3, "--bip=10.5.23.1/24"], flags);
        const { status, stdout, stderr } = await validate(words);
        assert.equal(status, 0, `${flags}: ${words.join(" ")}\n${stdout}${stderr}`);
      }
    });
  }

  it("would say what is wrong with other ones", async () => {
    for (const word of ["--bridge-ip=10.5.23.1/24", "--mtu=large", "--ip-masq=perhaps"])
      assert.notEqual((await validate([word])).status, 0, word);
  });

  it("understand the compose file, whose image is the one of this version", async () => {
    const file = join(directory, "compose.yaml");
    cpSync(join(ROOT, "packaging/compose.yaml"), file);
    const inside = file.slice(DOCKER.length);
    const { status, stdout, stderr } = await inDocker(
      "/usr/bin/docker-compose",
      "-f",
      inside,
      "config",
      "--format=json",
    );
    assert.deepEqual([status, stderr], [0, ""]);
    const { services } = JSON.parse(stdout) as {
      readonly services: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    };
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { readonly version: string };
    const { image, network_mode, cap_add, cap_drop, read_only } = services["flanneld"] ?? {};
    assert.deepEqual(
      { image, network_mode, cap_add, cap_drop, read_only },
      {
        image: `flanneld:${version}`,
        network_mode: "host",
        cap_add: ["NET_ADMIN", "NET_RAW"],
        cap_drop: ["ALL"],
        read_only: true,
      },
    );
  });
});
