import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { type BackendProfile, PROFILES, VXLAN } from "../support/backend-profiles.ts";
import { FLAGS, openScene, type Scene } from "../support/lease-scene.ts";
import { LIMIT } from "../support/overlay-host.ts";

const { signal } = new AbortController();

function bootWithoutEtcd(profile: BackendProfile): void {
  let scene: Scene;
  before(async () => {
    scene = await openScene(profile, signal);
  });
  after(async () => scene?.[Symbol.asyncDispose]());

  it("comes up from what it remembers after a reboot, says so, and follows etcd when that is back", async () => {
    const { cluster, host } = scene;
    const expected = await host.state();
    const file = readFileSync(scene.daemon.subnetFile, "utf8");
    await scene.remembers((await host.peer(1)).ip);
    await scene.daemon.kill(signal);
    await cluster.etcd.stop();
    await host.shell(profile.reboot);
    rmSync(scene.daemon.subnetFile);

    scene.daemon = cluster.start(0, { flags: FLAGS });
    await scene.daemon.ready(signal);
    await host.becomes(expected);
    assert.equal(readFileSync(scene.daemon.subnetFile, "utf8"), file);
    assert.match(await scene.readiness(), /^200 flanneld is ready, but degraded: etcd: /);
    assert.match(scene.daemon.log(), /going on with what was remembered/);

    await cluster.etcd.start();
    const look = async () => (/^200 flanneld is ready$/m.test(await scene.readiness()) ? true : null);
    await waitFor("etcd to be followed again", look, seconds(90), signal);
    assert.equal(await host.state(), expected);
  });
}

for (const profile of PROFILES) {
  describe(`a host with ${profile.type} that starts while etcd is away`, () => bootWithoutEtcd(profile));
}

describe("a host that starts while etcd is away", () => {
  let scene: Scene;
  before(async () => {
    scene = await openScene(VXLAN, signal);
  });
  after(async () => scene?.[Symbol.asyncDispose]());

  it("waits when what it remembers is damaged, and says why", async () => {
    const { cluster } = scene;
    await scene.remembers("PublicIP");
    await scene.daemon.stop(signal);
    await cluster.etcd.stop();
    const directory = join(cluster.hosts[0]?.directory ?? "", "state");
    await cluster.on(0, "sh", "-c", `sed -i s/10.5.0.0/10.6.0.0/ ${directory}/*.lease`);
    const daemon = cluster.start(0, { flags: FLAGS });
    await daemon.waitForLog(/what was remembered of the last run is of no use.*its checksum is wrong/, LIMIT, signal);
    await daemon.waitForLog(/waiting for the network config/, LIMIT, signal);
    await cluster.etcd.start();
    await daemon.ready(signal);
  });
});
