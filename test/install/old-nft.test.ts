// The oldest nft that people have, that of Debian 11, on a host where flanneld uses nftables for all that it can.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { unpackDebian } from "../../lab/debian-files.ts";
import { run } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { type Cluster, openCluster } from "../support/cluster.ts";
import { CACHE } from "../support/packages.ts";

const { signal } = new AbortController();
const FILES = { release: "bullseye", packages: ["nftables"] };
const ROOT = join(CACHE, "nft-bullseye");
const LIMIT = seconds(30);

/** A directory whose nft is the old one, with the libraries that it came with. */
function putFirst(directory: string): string {
  const libraries = ["lib", "usr/lib"].map((part) => join(ROOT, part, "x86_64-linux-gnu")).join(":");
  const loader = join(ROOT, "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
  const programs = join(directory, "programs");
  mkdirSync(programs);
  const line = `exec ${loader} --library-path ${libraries} ${join(ROOT, "usr/sbin/nft")} "$@"`;
  writeFileSync(join(programs, "nft"), `#!/bin/sh\n${line}\n`);
  chmodSync(join(programs, "nft"), 0o755);
  return programs;
}

describe("a host with the nft of Debian 11", () => {
  let cluster: Cluster;
  let old: string;

  before(async () => {
    await unpackDebian(FILES, ROOT, signal);
    const config = { Network: "10.5.0.0/16", EnableNFTables: true, Backend: { Type: "vxlan" } };
    cluster = await openCluster(2, config, signal);
    old = putFirst(cluster.hosts[0]?.directory ?? "");
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  const nft = async (...words: string[]) =>
    (await run(inNamespace(cluster.hosts[0]?.namespace ?? "", [join(old, "nft"), ...words]), {}, signal)).stdout;

  it("is the one that is asked", async () => assert.match(await nft("--version"), /nftables v0\.9\.8/));

  it("has its rules and its counters in place, and again after they were flushed", async () => {
    const environment = { PATH: `${old}:${process.env["PATH"]}` };
    const flags = ["--ip-masq", "--peer-traffic"];
    const daemons = [cluster.start(0, { flags, environment }), cluster.start(1, { flags })];
    await Promise.all(daemons.map((daemon) => daemon.ready(signal)));
    const isThere = async () => {
      const rules = await nft("list", "ruleset");
      const wanted = [/table ip flannel-ipv4/, /masquerade/, /table inet flannel-traffic/, /counter packets \d+/];
      return wanted.every((pattern) => pattern.test(rules)) || null;
    };
    await waitFor("rules and counters", isThere, LIMIT, signal);
    await nft("flush", "ruleset");
    await waitFor("rules and counters after a flush", isThere, LIMIT, signal);
    assert.doesNotMatch(daemons[0]?.log() ?? "", /cannot keep|cannot count|nft failed|too old/);
  });
});
