// An etcd that answers and takes no lease: `flanneld check` says so on a host that has none yet, and does not call a host
// broken that has one.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { attempt } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { VXLAN } from "../support/backend-profiles.ts";
import { checksOn } from "../support/checked-hosts.ts";
import { openCluster, PREFIX } from "../support/cluster.ts";

const { signal } = new AbortController();

describe("check tells the cause in one line", () => {
  it("of an etcd that is full", async () => {
    await using cluster = await openCluster(2, VXLAN.config, signal, { flags: ["--quota-backend-bytes=2500000"] });
    const { causeOf, isFine } = checksOn(() => cluster, signal);
    const daemon = cluster.start(0);
    await daemon.ready(signal);
    await isFine(1);
    const { namespace } = cluster.topology.etcd;
    const fill = `for n in $(seq 100); do head -c 100000 /dev/zero | tr '\\0' x | ETCDCTL_API=3 etcdctl --endpoints=${cluster.endpoint} put /fill/$n || exit 3; done`;
    const filled = await attempt(inNamespace(namespace, ["sh", "-c", fill]), {}, signal);
    assert.match(filled.stderr, /database space exceeded/);
    assert.match(await causeOf(1), /^broken: etcd: etcd has no room .*database space exceeded; .*alarm disarm/);
    assert.match(await causeOf(0), /^degraded: etcd: etcd has no room /);
    assert.equal(await daemon.stop(signal), 0);
  });

  it("of a user of etcd who may only read", async () => {
    await using cluster = await openCluster(1, VXLAN.config, signal);
    const { causeOf, statusTells } = checksOn(() => cluster, signal);
    const steps = [
      ["user", "add", "root:root"],
      ["user", "add", "reader:s3cret-word"],
      ["role", "add", "reader"],
      ["role", "grant-permission", "reader", "read", "--prefix=true", `${PREFIX}/`],
      ["user", "grant-role", "reader", "reader"],
      ["user", "grant-role", "root", "root"],
      ["auth", "enable"],
    ];
    for (const words of steps) await cluster.etcdctl(...words);
    const flags = ["--etcd-username=reader", "--etcd-password=s3cret-word"];
    const cause = await causeOf(0, ...flags);
    assert.match(
      cause,
      /^broken: etcd: etcd refused .*permission denied; give the user reader a role with: etcdctl role/,
    );
    assert.ok(!cause.includes("s3cret"), cause);
    const daemon = cluster.start(0, { flags });
    await statusTells(0, /^ +lease +etcd refused .*permission denied; give the user reader a role with: etcdctl role/m);
    assert.equal(await daemon.stop(signal), 0);
  });
});
