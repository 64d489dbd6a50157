// `flanneld check` in healthy networks of each family, without the flags that the daemons were started with.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { attempt } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { type Cluster, openCluster } from "../support/cluster.ts";

const { signal } = new AbortController();
const PROGRAM = join(import.meta.dirname, "../../../bin/flanneld");
const LIMIT = seconds(60);
const V6 = { EnableIPv6: true, IPv6Network: "fd00:10:5::/48" };
const DUAL = { Network: "10.5.0.0/16", ...V6 };
const ALONE = { ...V6, EnableIPv4: false };

interface Report {
  readonly outcome: string;
  readonly checks: readonly { readonly name: string; readonly verdict: string; readonly sentence: string }[];
}

for (const [name, config] of [
  ["dual-stack vxlan", { ...DUAL, Backend: { Type: "vxlan", VNI: 2 } }],
  ["dual-stack udp", { ...DUAL, Backend: { Type: "udp" } }],
  ["IPv6-only vxlan", { ...ALONE, Backend: { Type: "vxlan" } }],
  ["IPv6-only host-gw", { ...ALONE, Backend: { Type: "host-gw" } }],
] as const) {
  describe(`check of a healthy ${name} network`, () => {
    let cluster: Cluster;
    before(async () => {
      cluster = await openCluster(2, config, signal, { ipv6: true });
      await cluster.startAll();
    });
    after(async () => cluster?.[Symbol.asyncDispose]());

    const run = (verb: string, ...words: readonly string[]) => {
      const { namespace = "" } = cluster.hosts[0] ?? {};
      const line = inNamespace(namespace, [PROGRAM, verb, `--etcd-endpoints=${cluster.endpoint}`, ...words]);
      return attempt(line, { limit: LIMIT }, signal);
    };

    it("finds nothing wrong, and looks at all of it", async () => {
      let last = "";
      const look = async () => {
        last = (await run("check", "--json")).stdout;
        return (JSON.parse(last) as Report).outcome === "fine" ? (JSON.parse(last) as Report) : null;
      };
      const { checks } = await waitFor("all to be well", look, LIMIT, signal).catch(() => assert.fail(last));
      const skipped = checks.filter(({ verdict }) => verdict === "skip").map((one) => one.name);
      assert.deepEqual(
        skipped.filter((one) => one !== "offload"),
        [],
        last,
      );
      const { sentence = "" } = checks.find((one) => one.name === "interface") ?? {};
      assert.match(sentence, name.startsWith("IPv6") ? /^eth0 \(fd77::11\)/ : /^eth0 \(192\.168\.77\.11\)/);
    });

    it("has no peer in this host itself", async () => {
      const { status, stderr } = await run("ping", "fd77::11");
      assert.deepEqual([status, /fd77::11 is this host itself/.test(stderr)], [64, true], stderr);
    });
  });
}
