import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isError } from "../../../src/base/errors.ts";
import { ipv4FromNumber, type Prefix4, prefix4 } from "../../../src/base/ip.ts";
import { systemRandom } from "../../../src/base/random.ts";
import type { Subnet } from "../../../src/subnet/lease.ts";
import {
  formatSubnetFile,
  parsePreviousNetworks,
  parsePreviousSubnet,
  readSubnetFile,
  writeSubnetFile,
} from "../../../src/subnet/subnet-file.ts";
import { networkOf } from "../../support/leases.ts";

const subnet = { v4: "10.5.72.0/24", v6: null } as Subnet;

describe("the text of subnet.env", () => {
  test("is byte for byte what the Go daemon writes", () => {
    const network = networkOf({ Network: "10.5.0.0/16", Backend: { Type: "vxlan" } });
    assert.equal(
      formatSubnetFile({ network, subnet, mtu: 1450, ipMasq: true }),
      "FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n",
    );
    assert.match(formatSubnetFile({ network, subnet, mtu: 1472, ipMasq: false }), /^FLANNEL_IPMASQ=false\n$/m);
  });

  test("has the lines of each family that the network has", () => {
    const dual = networkOf({ Network: "10.5.0.0/16", EnableIPv6: true, IPv6Network: "2001:cafe:42::/56" });
    const both = { v4: "10.5.72.0/24", v6: "2001:cafe:42::/64" } as Subnet;
    const ipv6Lines = "FLANNEL_IPV6_NETWORK=2001:cafe:42::/56\nFLANNEL_IPV6_SUBNET=2001:cafe:42::1/64\n";
    const tail = "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
    assert.equal(
      formatSubnetFile({ network: dual, subnet: both, mtu: 1450, ipMasq: true }),
      `FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\n${ipv6Lines}${tail}`,
    );
    const only6 = networkOf({ EnableIPv4: false, EnableIPv6: true, IPv6Network: "2001:cafe:42::/56" });
    assert.equal(formatSubnetFile({ network: only6, subnet: both, mtu: 1450, ipMasq: true }), ipv6Lines + tail);
  });
});

describe("the subnet of the last run", () => {
  const found = (value: string) => ({ kind: "found", subnet: value });

  test("is read from what we write, without its host part", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 32 - 1), fc.integer({ min: 8, max: 30 }), (low, length) => {
        const v4: Prefix4 = prefix4(ipv4FromNumber(low), length);
        const network = networkOf({ Network: "10.5.0.0/16" });
        const text = formatSubnetFile({ network, subnet: { v4, v6: null }, mtu: 1450, ipMasq: true });
        assert.deepEqual(parsePreviousSubnet(text), found(v4));
      }),
    );
  });

  test("is read from a file that a person has edited", () => {
    const lines = [
      'FLANNEL_SUBNET="10.5.72.1/24"',
      "FLANNEL_SUBNET='10.5.72.1/24' # ours",
      "export FLANNEL_SUBNET=10.5.72.1/24",
      "  FLANNEL_SUBNET = 10.5.72.1/24  ",
      "FLANNEL_SUBNET: 10.5.72.1/24",
      "FLANNEL_SUBNET=10.5.72.1/24 # ours",
      "FLANNEL_SUBNET=10.5.72.1/24\r",
      "FLANNEL_SUBNET=not-a-cidr,10.5.72.1/24",
      "FLANNEL_SUBNET=10.9.9.1/24\nFLANNEL_SUBNET=10.5.72.1/24",
    ];
    for (const line of lines) {
      assert.deepEqual(
        parsePreviousSubnet(`# edited\n\nFLANNEL_MTU=1450\n${line}\nJUNK\n`),
        found("10.5.72.0/24"),
        line,
      );
    }
  });

  test("is none, for a reason, when the file does not tell", () => {
    const none = (text: string, reason: RegExp) => {
      const previous = parsePreviousSubnet(text);
      assert.ok(previous.kind === "none", text);
      assert.match(previous.reason, reason);
    };
    none("", /no FLANNEL_SUBNET/);
    none(
      "# FLANNEL_SUBNET=10.5.72.1/24\nMY_FLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_SUBNETS=10.5.72.1/24\n",
      /no FLANNEL_SUBNET/,
    );
    none("FLANNEL_SUBNET=not-a-cidr\n", /not an IPv4 subnet: "not-a-cidr"/);
    none("FLANNEL_SUBNET=\nFLANNEL_MTU=1450\n", /not an IPv4 subnet/);
    none("FLANNEL_SUBNET=fd00::/64\n", /not an IPv4 subnet/);
    none("FLANNEL_SUBNET=10.5.72.1\n", /not an IPv4 subnet/);
    none("FLANNEL_SUBNET=$OTHER\n", /not an IPv4 subnet/);
    none("FLANNEL_SUBNET=10.244.1.0/24,not-a-cidr,10.244.2.0/24\n", /more than one subnet/);
  });

  test("is looked for in any text without throwing", () => {
    const line = fc.string().map((text) => `FLANNEL_SUBNET=${text}`);
    fc.assert(fc.property(fc.oneof(fc.string(), line), (text) => assert.ok(parsePreviousSubnet(text).kind)));
  });
});

describe("writing subnet.env", () => {
  const write = (path: string, text: string) => writeSubnetFile(path, text, { random: systemRandom });

  test("makes the directories that are missing and leaves one file, readable by all", async () => {
    await using scratch = await openScratch();
    const path = join(scratch.path, "run/flannel/subnet.env");
    const umask = process.umask(0o077);
    try {
      await write(path, "FLANNEL_MTU=1450\n");
    } finally {
      process.umask(umask);
    }
    assert.equal(await readFile(path, "utf8"), "FLANNEL_MTU=1450\n");
    assert.equal((await stat(path)).mode & 0o7777, 0o644);
    assert.deepEqual(await readdir(join(scratch.path, "run/flannel")), ["subnet.env"]);
  });

  test("puts a new file in the place of the old one, so that a reader sees either as a whole", async () => {
    await using scratch = await openScratch();
    const path = join(scratch.path, "subnet.env");
    await writeFile(path, "old\n");
    const before = await stat(path);
    await write(path, "new\n");
    assert.equal(await readFile(path, "utf8"), "new\n");
    assert.notEqual((await stat(path)).ino, before.ino);
  });

  test("leaves a file alone that says the same", async () => {
    await using scratch = await openScratch();
    const path = join(scratch.path, "subnet.env");
    await write(path, "same\n");
    await utimes(path, 1, 1);
    const before = await stat(path);
    await write(path, "same\n");
    const after = await stat(path);
    assert.deepEqual([after.ino, after.mtimeMs], [before.ino, before.mtimeMs]);
  });

  test("replaces a symbolic link and does not follow it", async () => {
    await using scratch = await openScratch();
    const target = join(scratch.path, "target");
    const path = join(scratch.path, "subnet.env");
    await writeFile(target, "untouched\n");
    await symlink(target, path);
    await write(path, "new\n");
    assert.equal(await readFile(target, "utf8"), "untouched\n");
    assert.equal(await readFile(path, "utf8"), "new\n");
  });

  test("leaves no temporary file behind when it fails", async () => {
    await using scratch = await openScratch();
    const path = join(scratch.path, "subnet.env");
    await mkdir(join(path, "occupied"), { recursive: true });
    await assert.rejects(write(path, "new\n"));
    assert.deepEqual(await readdir(scratch.path), ["subnet.env"]);
  });

  test("uses a hidden temporary file in the same directory", async () => {
    await using scratch = await openScratch();
    const path = join(scratch.path, "subnet.env");
    await writeFile(join(scratch.path, ".subnet.env1234567890"), "in the way");
    const random = { ...systemRandom, integer: () => 1234567890 };
    await assert.rejects(writeSubnetFile(path, "new\n", { random }), { code: "EEXIST" });
  });
});

describe("the networks of an earlier run", () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ["FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\n", ["10.5.0.0/16"]],
    ["FLANNEL_NETWORK=10.5.0.0/16,10.6.7.8/16\n", ["10.5.0.0/16", "10.6.0.0/16"]],
    ["FLANNEL_IPV6_NETWORK=2001:cafe:42::/56\nFLANNEL_NETWORK=10.5.0.0/16", ["10.5.0.0/16", "2001:cafe:42::/56"]],
    ["export FLANNEL_NETWORK='10.5.0.0/16' # old", ["10.5.0.0/16"]],
    ["FLANNEL_NETWORK=garbage\nFLANNEL_IPV6_NETWORK=10.5.0.0/16\n", []],
    ["", []],
  ];
  for (const [text, networks] of cases) {
    test(`of ${JSON.stringify(text)} are ${networks.join(" and ") || "not known"}`, () => {
      assert.deepEqual(parsePreviousNetworks(text), networks);
    });
  }
});

describe("reading subnet.env", () => {
  test("gives its text, or null when there is none", async () => {
    await using scratch = await openScratch();
    const path = join(scratch.path, "subnet.env");
    assert.equal(await readSubnetFile(path), null);
    await writeFile(path, "FLANNEL_MTU=1450\n");
    await chmod(path, 0o600);
    assert.equal(await readSubnetFile(path), "FLANNEL_MTU=1450\n");
  });

  test("says which file it was when it cannot be read", async () => {
    await using scratch = await openScratch();
    await assert.rejects(readSubnetFile(scratch.path), (error) => {
      assert.ok(isError(error, "file.unreadable"));
      assert.match(error.message, /^cannot read the subnet file \/.*: EISDIR/);
      return true;
    });
  });
});

async function openScratch(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "flanneld-subnet-file-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
