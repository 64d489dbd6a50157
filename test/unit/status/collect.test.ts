import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createCollector, stateOf } from "../../../src/status/collect.ts";
import { createEventRing } from "../../../src/status/events.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { DEVICE, PROCESS, peerStatusOf, snapshotOf } from "../../support/snapshots.ts";

const FINE = { name: "lease", reason: null };
const FAILING = { name: "lease", reason: "not yet" };

function collectorWith(reason: string | null) {
  const clock = createFakeClock();
  return createCollector({
    clock,
    events: createEventRing({ clock }),
    options: { stateDirectory: "/var/lib/flannel" },
    readiness: () => ({ checks: [{ name: "config", reason }], degraded: [] }),
    readProcess: async () => PROCESS,
    readDevice: async (name) => (name === "gone" ? null : { ...DEVICE, name }),
    endpoints: ["http://192.168.64.1:2379"],
  });
}

describe("the state", () => {
  it("is told by what fails", () => {
    assert.equal(stateOf([FINE], [FINE]), "ready");
    assert.equal(stateOf([FINE], [FINE, FAILING]), "degraded");
    assert.equal(stateOf([FAILING], [FAILING]), "not ready");
    assert.equal(stateOf([FAILING], []), "not ready");
  });
});

describe("a snapshot", () => {
  it("is whole from the first moment on, with null for what is not there yet", async () => {
    const status = await collectorWith("there is no network config").status();
    assert.equal(status.state, "not ready");
    assert.deepEqual(Object.keys(status).sort(), Object.keys(snapshotOf()).sort());
    assert.deepEqual([status.lease, status.network, status.device], [null, null, null]);
    assert.equal(status.store.connected, null);
    assert.deepEqual(status.store.endpoints, ["http://192.168.64.1:2379"]);
    assert.deepEqual(status.peerCounts, { programmed: 0, missing: 0, held: 0, refused: 0 });
  });

  it("has what the parts say that are attached, each time anew", async () => {
    const collector = collectorWith(null);
    const { peers, backend, lease } = snapshotOf();
    assert.ok(backend && lease);
    let held = true;
    collector.attach({ backend: () => backend });
    collector.attach({ peers: () => peers, lease: () => ({ ...lease, held }) });
    const before = await collector.status();
    held = false;
    const after = await collector.status();
    assert.deepEqual([before.lease?.held, after.lease?.held], [true, false]);
    assert.deepEqual(before.peerCounts, { programmed: 2, missing: 0, held: 0, refused: 0 });
    assert.equal(before.device?.name, "flannel.1");
  });

  it("has what was counted on every device that is there", async () => {
    const collector = collectorWith(null);
    const names = ["flannel.1", "flannel-v6.1", "gone"];
    const devices = names.map((name) => ({ name, mtu: 1430 }));
    collector.attach({ backend: () => ({ type: "vxlan", device: "flannel.1", mtu: 1430, devices }) });
    const status = await collector.status();
    assert.deepEqual([status.device?.name, status.devices.map(({ name }) => name)], ["flannel.1", names.slice(0, 2)]);
  });

  it("has of the peers what was counted when somebody asked", async () => {
    const collector = collectorWith(null);
    const traffic = { receivedBytes: 1, receivedPackets: 2, sentBytes: 3, sentPackets: 4 };
    collector.attach({
      peerTraffic: async () => new Map([["10.5.7.0/24", traffic]]),
      peers: (counted) => [
        peerStatusOf("10.5.7.0/24", "192.168.64.3", { traffic: counted.get("10.5.7.0/24") ?? null }),
      ],
    });
    assert.deepEqual((await collector.status()).peers[0]?.traffic, traffic);
  });

  it("has what was counted of the peers not read when nobody asks for it", async () => {
    const collector = collectorWith(null);
    let reads = 0;
    collector.attach({
      peerTraffic: async () => {
        reads += 1;
        return new Map();
      },
    });
    await collector.status({ peers: false });
    assert.equal(reads, 0);
    await collector.status({ peers: true });
    await collector.status();
    assert.equal(reads, 2);
  });

  it("can be written as JSON and read again without a loss", () => {
    const status = snapshotOf();
    assert.deepEqual(JSON.parse(JSON.stringify(status)), status);
  });
});
