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

let daemon: Flanneld;

describe("a reservation", () => {
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
    daemon = cluster.start(1);
    await daemon.ready(signal);
    assert.deepEqual((await listed(addressOf(1)))?.subnet, "10.5.77.0/24");
  });
});

/** With the one host that has a record running. */
describe("a network config that is written", () => {
  it("is followed by running daemons when it says so", async () => {
    const said = await flanneld("config", "set", '{"Network": "10.4.0.0/15", "Backend": {"Type": "vxlan"}}');
    assert.match(said, /^running daemons follow it at once$/m);
    await daemon.waitForLog(/has changed and is followed/, LIMIT, signal);
  });

  it("is not when it says so, and they name the same reason", async () => {
    const said = await flanneld("config", "set", '{"Network": "10.4.0.0/15", "Backend": {"Type": "host-gw"}}');
    assert.match(said, /^restart flanneld on every host: .* because of Backend\.Type$/m);
    await daemon.waitForLog(/needs a restart.*changed=Backend\.Type/, LIMIT, signal);
  });
});
