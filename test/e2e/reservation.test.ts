import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Flanneld } from "../../lab/flanneld.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { VXLAN } from "../support/backend-profiles.ts";
import { type Cluster, openCluster } from "../support/cluster.ts";

const { signal } = new AbortController();
const PROGRAM = join(import.meta.dirname, "../../../bin/flanneld");
const LIMIT = seconds(30);
let cluster: Cluster;

before(async () => {
  cluster = await openCluster(2, VXLAN.config, signal);
});
after(async () => cluster?.[Symbol.asyncDispose]());

const flanneld = (...words: readonly string[]) =>
  cluster.on(0, PROGRAM, ...words, `--etcd-endpoints=${cluster.endpoint}`);

interface Listed {
  readonly subnet: string;
  readonly publicIp: string;
  readonly kind: string;
  readonly backendData: { readonly VtepMAC?: string } | null;
}

async function listed(publicIp: string): Promise<Listed | undefined> {
  const { leases } = JSON.parse(await flanneld("leases", "--json")) as { leases: readonly Listed[] };
  return leases.find((lease) => lease.publicIp === publicIp);
}

function addressOf(host: number): string {
  const address = cluster.hosts[host]?.address;
  assert.ok(address);
  return address;
}

describe("a reservation", () => {
  let daemon: Flanneld;

  it("for a host that has not started yet is what it gets, and stays one", async () => {
    await flanneld("reserve", "10.5.77.0/24", `--public-ip=${addressOf(0)}`);
    daemon = cluster.start(0);
    await daemon.ready(signal);
    const lease = await listed(addressOf(0));
    assert.deepEqual([lease?.subnet, lease?.kind], ["10.5.77.0/24", "reserved"]);
    assert.match(lease?.backendData?.VtepMAC ?? "", /^[\da-f:]{17}$/);
  });

  it("is released to a lease under a running daemon, which renews it, and is made one again", async () => {
    await flanneld("release", "10.5.77.0/24");
    await daemon.waitForLog(/was rewritten; kept it .*expires=/, LIMIT, signal);
    assert.equal((await listed(addressOf(0)))?.kind, "leased");
    await flanneld("reserve", "10.5.77.0/24");
    const reserved = async () => ((await listed(addressOf(0)))?.kind === "reserved" ? true : null);
    await waitFor("the reservation", reserved, LIMIT, signal);
    await daemon.waitForLog(/was rewritten; kept it subnet=10\.5\.77\.0\/24$/m, LIMIT, signal);
  });

  it("is still one when the daemon has been restarted", async () => {
    assert.equal(await daemon.stop(signal), 0);
    daemon = cluster.start(0);
    await daemon.ready(signal);
    const lease = await listed(addressOf(0));
    assert.deepEqual([lease?.subnet, lease?.kind], ["10.5.77.0/24", "reserved"]);
  });

  it("is not given to another host, and free for one once it is deleted", async () => {
    const other = cluster.start(1);
    await other.ready(signal);
    assert.notEqual((await listed(addressOf(1)))?.subnet, "10.5.77.0/24");
    assert.equal(await daemon.stop(signal), 0);
    assert.equal(await other.stop(signal), 0);
    await flanneld("release", "10.5.77.0/24", "--now");
    assert.equal(await listed(addressOf(0)), undefined);
    await flanneld("release", (await listed(addressOf(1)))?.subnet ?? "", "--force");
    await flanneld("reserve", "10.5.77.0/24", `--public-ip=${addressOf(1)}`);
    await cluster.start(1).ready(signal);
    assert.deepEqual((await listed(addressOf(1)))?.subnet, "10.5.77.0/24");
  });
});
