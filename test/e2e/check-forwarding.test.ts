// A host that does not forward what comes in for the overlay: the daemon says so before anybody asks, status and check with
// the command that mends it.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Flanneld } from "../../lab/flanneld.ts";
import { seconds } from "../../src/base/brand.ts";
import { VXLAN } from "../support/backend-profiles.ts";
import { checksOn } from "../support/checked-hosts.ts";
import { type Cluster, openCluster } from "../support/cluster.ts";

const { signal } = new AbortController();
/** Long before the next look that the daemon would take by itself. */
const SOON = seconds(20);
let cluster: Cluster;
let daemons: Flanneld[];

const { check, causeOf, isFine, statusTells, statusForgets } = checksOn(() => cluster, signal);

before(async () => {
  cluster = await openCluster(2, VXLAN.config, signal);
  daemons = [0, 1].map((host) => cluster.start(host));
  await Promise.all(daemons.map((daemon) => daemon.ready(signal)));
});
after(async () => cluster?.[Symbol.asyncDispose]());

const isLogged = (reason: string) =>
  daemons[0]?.waitForLog(new RegExp(`this host does not forward packets .*${reason}`), SOON, signal);

describe("forwarding that is switched off", () => {
  it("on flanneld's device is told at once, and mended by what check says", async () => {
    await isFine(0);
    await cluster.on(0, "sh", "-c", "echo 0 > /proc/sys/net/ipv4/conf/flannel.1/forwarding");
    const sentence = "net\\.ipv4\\.conf\\.flannel/1\\.forwarding is 0: packets that come in there are not forwarded";
    await isLogged(sentence);
    await statusTells(0, new RegExp(`^ +forwarding +${sentence}`, "m"));
    assert.match(await causeOf(0), new RegExp(`ip-forward: ${sentence}`));
    const [, remedy = ""] = /mend: (sysctl -w .*)/.exec((await check(0)).stdout) ?? [];
    await cluster.on(0, "sh", "-c", remedy);
    await isFine(0);
    await statusForgets(0, /forwarding/);
  });

  it("on the whole host is told at once", async () => {
    await cluster.on(0, "sysctl", "-w", "net.ipv4.ip_forward=0");
    await isLogged("net\\.ipv4\\.ip_forward is 0");
    await statusTells(0, /^ +mend: sysctl -w net\.ipv4\.ip_forward=1$/m);
    await cluster.on(0, "sysctl", "-w", "net.ipv4.ip_forward=1");
    await statusForgets(0, /forwarding/);
    await isFine(0);
  });
});
