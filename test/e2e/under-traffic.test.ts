// The daemon ends and comes back while pods talk: what that costs, at a thousand pings a second.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { addPod, type Pod } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { installCopy } from "../../lab/installed-copy.ts";
import { isAnswered } from "../../lab/ping.ts";
import { waitFor } from "../../lab/wait.ts";
import { type BackendProfile, PROFILES } from "../support/backend-profiles.ts";
import { type Cluster, openCluster } from "../support/cluster.ts";
import { LIMIT } from "../support/overlay-host.ts";
import { pingDuring } from "../support/ping-during.ts";

const { signal } = new AbortController();

function suite(profile: BackendProfile): void {
  let cluster: Cluster;
  let daemon: Flanneld;
  let pods: readonly [Pod, Pod];

  before(async () => {
    cluster = await openCluster(2, profile.config, signal);
    const daemons = await cluster.startAll();
    daemon = daemons[0] as Flanneld;
    const made = daemons.map(({ host, subnetFile }, index) => addPod(host, `p${index}`, subnetFile, signal));
    pods = (await Promise.all(made)) as [Pod, Pod];
    const look = () => isAnswered(pods[0].namespace, pods[1].address, signal);
    await waitFor("an answer to a ping", look, LIMIT, signal);
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  async function loses(t: TestContext, change: () => Promise<void>): Promise<void> {
    const { sent, lost, milliseconds } = await pingDuring(...pods, change);
    t.diagnostic(`${lost} of ${sent} pings lost; it took ${milliseconds} ms`);
    // What the process itself carries is lost while there is none.
    if (profile.type === "udp") assert.ok(lost <= milliseconds + 1000, `${lost} lost in ${milliseconds} ms`);
    else assert.equal(lost, 0);
  }

  const start = async (options = {}) => {
    daemon = cluster.start(0, options);
    await daemon.ready(signal);
  };

  it("loses none to kill -9 and a start", async (t) => {
    await loses(t, async () => {
      await daemon.kill(signal);
      await start();
    });
  });

  it("loses none to a restart in order", async (t) => {
    await loses(t, async () => {
      await daemon.stop(signal);
      await start();
    });
  });

  it("loses none to another build of the program, and to the way back", async (t) => {
    const directory = cluster.hosts[0]?.directory ?? assert.fail();
    const state = `--state-dir=${join(directory, "state")}`;
    const other = { program: installCopy(directory, "other"), flags: [state] };
    await loses(t, async () => {
      await daemon.stop(signal);
      await start(other);
      await daemon.stop(signal);
      await start();
    });
  });
}

for (const profile of PROFILES) describe(`traffic of pods with ${profile.type}`, () => suite(profile));
