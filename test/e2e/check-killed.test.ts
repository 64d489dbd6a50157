// What `flanneld check` says of a host whose flanneld was killed.

import assert from "node:assert/strict";
import { it } from "node:test";
import { VXLAN } from "../support/backend-profiles.ts";
import { PROGRAM } from "../support/checked-hosts.ts";
import { openCluster } from "../support/cluster.ts";

const { signal } = new AbortController();

it("check warns of a flanneld that was killed and has left what it made, until one runs again", async () => {
  await using cluster = await openCluster(1, VXLAN.config, signal);
  const [host] = cluster.hosts;
  assert.ok(host);
  const flags = [`--etcd-endpoints=${cluster.endpoint}`, `--subnet-file=${host.directory}/subnet.env`];
  const check = async () => (await cluster.tryOn(0, PROGRAM, "check", ...flags)).stdout;
  assert.match(await check(), /^ok +daemon +no flanneld runs here$/m);
  const killed = cluster.start(0);
  await killed.ready(signal);
  await killed.kill(signal);
  assert.match(
    await check(),
    /^warn +daemon +no flanneld runs here, and one did: flannel\.1 and \/\S+\/subnet\.env are still there, .*; it was killed: journalctl -u flanneld\n +mend: systemctl start flanneld$/m,
  );
  const again = cluster.start(0);
  await again.ready(signal);
  assert.match(await check(), /^ok +daemon +process \d+ runs here/m);
});
