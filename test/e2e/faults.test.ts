import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Flanneld } from "../../lab/flanneld.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { type BackendProfile, type Peer, PROFILES } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { createOverlayHost, LIMIT, type OverlayHost } from "../support/overlay-host.ts";

const { signal } = new AbortController();

/** Peers come and go here faster than in any network; that those that go together are kept is tested elsewhere. */
const FLAGS = ["--healthz-port=8081", "--stale-peer-grace=0"];

/** A peer of which there is only the record. */
function phantom(number: number): Peer {
  return { base: `10.5.${number}.0`, ip: `192.168.77.${number}`, mac: `02:00:00:00:03:${number.toString(16)}` };
}

function suite(profile: BackendProfile): void {
  const showsPeers = profile.peerLines(phantom(200)).length > 0;
  let cluster: Cluster;
  let host: OverlayHost;
  let daemon: Flanneld;

  before(async () => {
    cluster = await openCluster(2, profile.config, signal);
    const daemons = await cluster.startAll({ flags: FLAGS });
    daemon = daemons[0] as Flanneld;
    host = createOverlayHost(cluster, profile, signal);
    await host.shows([...profile.ownLines(await host.peer(0)), ...profile.peerLines(await host.peer(1))]);
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  async function readiness(): Promise<string> {
    const script = `fetch("http://127.0.0.1:8081/readyz").then(async (r) => console.log(r.status, await r.text()))`;
    return cluster.on(0, "node", "-e", script);
  }

  describe("somebody changes the kernel", () => {
    for (const [what, command] of profile.tamperings) {
      it(`and ${what}: everything is as before`, async () => {
        const before = await host.state();
        await host.shell(command);
        await host.becomes(before);
      });
    }

    if (!showsPeers) return;
    it("and puts a foreign route where a peer's belongs: it is left alone, reported, and the others go on", async () => {
      const before = await host.state();
      await host.shell("ip route add 10.5.200.0/24 dev lo");
      await host.putPeer(phantom(200));
      await daemon.waitForLog(/10\.5\.200\.0\/24 dev lo proto 3 stands in its place/, LIMIT, signal);
      assert.match(await host.shell("ip route show 10.5.200.0/24"), /dev lo/);
      await host.putPeer(phantom(201));
      await host.shows(profile.peerLines(phantom(201)));
      await host.shell("ip route del 10.5.200.0/24 dev lo");
      await host.shows(profile.peerLines(phantom(200)), seconds(60));
      for (const number of [200, 201]) await host.deletePeer(phantom(number));
      await host.becomes(before);
    });
  });

  describe("records in etcd", () => {
    it("that do not parse, lie outside the network, overlap ours or contain their own host are left out, and hurt no peer", async () => {
      const before = await host.state();
      const record = profile.record(phantom(66));
      const inOurs = host.ownKey().replace(/0-24$/, "128-25");
      const inItself = `${PREFIX}/subnets/10.5.210.0-24`;
      const values = {
        [`${PREFIX}/subnets/foo`]: "bar",
        [`${PREFIX}/subnets/10.9.1.0-24`]: record,
        [`${PREFIX}/subnets/0.0.0.0-0`]: record,
        [inOurs]: record,
        [inItself]: profile.record({ ...phantom(66), ip: "10.5.210.1" }),
      };
      for (const [key, value] of Object.entries(values)) {
        await cluster.etcdctl("put", key, value);
        await daemon.waitForLog(new RegExp(`left out.*key=${key.slice(key.lastIndexOf("/") + 1)}`), LIMIT, signal);
      }
      assert.equal(await host.state(), before);
      for (const key of Object.keys(values)) await cluster.etcdctl("del", key);
    });

    it("of our own that are deleted are leased again at the same subnet", async () => {
      const key = host.ownKey();
      await cluster.etcdctl("del", key);
      const look = async () => ((await cluster.etcdctl("get", key)) === "" ? null : true);
      await waitFor("the record", look, LIMIT, signal);
      assert.match(await readiness(), /^200 /);
    });

    it("of our own that are overwritten with what is no lease are written again", async () => {
      const record = await cluster.etcdctl("get", host.ownKey());
      await cluster.etcdctl("put", host.ownKey(), "{");
      const look = async () => ((await cluster.etcdctl("get", host.ownKey())) === record ? true : null);
      await waitFor("the record", look, LIMIT, signal);
      await daemon.waitForLog(/overwritten with what is no lease; wrote it again/, LIMIT, signal);
    });

    if (!showsPeers) return;
    it("of a peer that become unreadable cost it no route until they are gone", async () => {
      const peer = phantom(212);
      await host.putPeer(peer);
      const before = await host.shows(profile.peerLines(peer));
      await cluster.etcdctl("put", `${PREFIX}/subnets/${peer.base}-24`, "{");
      await daemon.waitForLog(/left out.*key=10\.5\.212\.0-24/, LIMIT, signal);
      // What comes later has been dealt with, so the record has, too.
      await host.putPeer(phantom(213));
      await host.shows(profile.peerLines(phantom(213)));
      await host.deletePeer(phantom(213));
      await host.becomes(before);
      await host.deletePeer(peer);
      await host.forgets(peer.base);
    });

    it("of a peer that change are followed", async () => {
      const before = phantom(210);
      const after = { ...phantom(211), base: before.base };
      await host.putPeer(before);
      await host.shows(profile.peerLines(before));
      await host.putPeer(after);
      await host.shows(profile.peerLines(after));
      await host.forgets(before.ip);
      await host.deletePeer(after);
      await host.forgets(after.base);
    });
  });

  describe("etcd", () => {
    it("that goes away and comes back changes nothing on the host, and is followed again", async () => {
      const before = await host.state();
      await cluster.etcd.stop();
      await daemon.waitForLog(/lost the connection to etcd/, LIMIT, signal);
      assert.equal(await host.state(), before);
      await cluster.etcd.start();
      await daemon.waitForLog(/connected to etcd again/, LIMIT, signal);
      await host.putPeer(phantom(220));
      await host.shows(profile.peerLines(phantom(220)));
      await host.deletePeer(phantom(220));
      await host.forgets("10.5.220.0");
    });
  });

  const { deviceLoss } = profile;
  if (!deviceLoss) return;
  describe("readiness", () => {
    it("is lost with the device, and comes back with it", async () => {
      assert.match(await readiness(), /^200 /);
      for (const line of deviceLoss.take) await host.shell(line);
      const lost = async () => ((await readiness()).startsWith("503 flanneld is not ready yet: device") ? true : null);
      await waitFor("503", lost, LIMIT, signal);
      for (const line of deviceLoss.giveBack) await host.shell(line);
      await waitFor("200", async () => ((await readiness()).startsWith("200 ") ? true : null), seconds(60), signal);
    });
  });
}

for (const profile of PROFILES) describe(`with ${profile.type}`, () => suite(profile));
