import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { expose } from "../../../src/metrics/exposition.ts";
import { metricFamilies } from "../../../src/metrics/families.ts";
import type { DaemonStatus, ProbeStatus } from "../../../src/status/snapshot.ts";
import { DEVICE, peerStatusOf, snapshotOf } from "../../support/snapshots.ts";

const textOf = (changes: Partial<DaemonStatus> = {}, peers = false) =>
  expose(metricFamilies(snapshotOf(changes), { peers }));

const PROBE: ProbeStatus = {
  over: "overlay",
  address: "10.5.7.0",
  rttSeconds: 0.002,
  lossRatio: 0.05,
  pathMtu: 1450,
  isAnswering: true,
};

/** The value of a series, as it stands in the text; null when there is none. */
function seriesIn(text: string, series: string): number | null {
  const line = text.split("\n").find((one) => one.startsWith(`${series} `));
  return line === undefined ? null : Number(line.slice(series.length + 1));
}

async function value(series: string, changes: Partial<DaemonStatus> = {}): Promise<number | null> {
  return seriesIn(await textOf(changes), series);
}

describe("metrics", () => {
  it("say what runs, and whether it does its work", async () => {
    const text = await textOf();
    assert.equal(seriesIn(text, 'flannel_build_info{version="dev",runtime="node 20.20.2",backend="vxlan"}'), 1);
    assert.equal(seriesIn(text, "flannel_ready"), 1);
    assert.equal(seriesIn(text, 'flannel_degraded{check="etcd"}'), 0);
    assert.equal(await value("flannel_ready", { state: "not ready" }), 0);
    assert.equal(await value("flannel_ready", { state: "degraded" }), 1);
    assert.equal(
      await value('flannel_degraded{check="etcd"}', {
        degraded: [{ name: "etcd", reason: "away", remedy: null, command: null }],
      }),
      1,
    );
    assert.equal(await value('flannel_check_failing{check="lease"}', { checks: [{ name: "lease", reason: "no" }] }), 1);
  });

  it("tell when the lease ends, in seconds since 1970, and nothing for a reservation", async () => {
    const { lease } = snapshotOf();
    assert.ok(lease);
    const series = "flannel_lease_expiry_timestamp_seconds";
    assert.equal(await value(series), Date.parse("2026-03-02T12:00:03.500Z") / 1000);
    assert.equal(await value(series, { lease: { ...lease, expires: null, kind: "reserved" } }), null);
    const counts = { renewed: 3, failed: 2, lost: 1, conflicts: 4 };
    const text = await textOf({ lease: { ...lease, held: false, counts } });
    assert.equal(seriesIn(text, 'flannel_lease_renewals_total{result="ok"}'), 3);
    assert.equal(seriesIn(text, 'flannel_lease_renewals_total{result="failed"}'), 2);
    assert.equal(seriesIn(text, "flannel_lease_lost_total"), 1);
    assert.equal(seriesIn(text, "flannel_lease_conflicts_total"), 4);
    assert.equal(seriesIn(text, "flannel_lease_held"), 0);
  });

  it("hand on histograms as they were counted", async () => {
    const seconds = { buckets: [0.1, 1].map((upTo, index) => ({ upTo, count: 2 + index })), count: 4, sum: 7.5 };
    const { store } = snapshotOf();
    const errors = [{ code: "etcd.unavailable", count: 5 }];
    const text = await textOf({ store: { ...store, requests: [{ op: "range", seconds, errors }] } });
    const name = "flannel_store_request_duration_seconds";
    assert.equal(seriesIn(text, `${name}_bucket{op="range",le="0.1"}`), 2);
    assert.equal(seriesIn(text, `${name}_bucket{op="range",le="1"}`), 3);
    assert.equal(seriesIn(text, `${name}_bucket{op="range",le="+Inf"}`), 4);
    assert.equal(seriesIn(text, `${name}_sum{op="range"}`), 7.5);
    assert.equal(seriesIn(text, `${name}_count{op="range"}`), 4);
    assert.equal(seriesIn(text, 'flannel_store_errors_total{op="range",code="etcd.unavailable"}'), 5);
  });

  it("tell of the kernel by kind of object, and of its device", async () => {
    const { reconcile } = snapshotOf();
    assert.ok(reconcile);
    const errors = [{ kind: "route", errno: "ENETUNREACH", count: 2 }];
    const text = await textOf({ reconcile: { ...reconcile, repairs: { fdb: 7 }, errors } });
    assert.equal(seriesIn(text, 'flannel_dataplane_objects{kind="route",state="desired"}'), 2);
    assert.equal(seriesIn(text, 'flannel_dataplane_repairs_total{kind="fdb"}'), 7);
    assert.equal(seriesIn(text, 'flannel_dataplane_errors_total{kind="route",errno="ENETUNREACH"}'), 2);
    assert.equal(seriesIn(text, 'flannel_device_receive_bytes_total{device="flannel.1"}'), 1_500_000);
    assert.equal(seriesIn(text, 'flannel_device_transmit_packets_total{device="flannel.1"}'), 10);
  });

  it("tell what the udp backend drops, by reason", async () => {
    const datapath = {
      attached: "flannel0",
      features: { on: ["TSO"], off: ["USO"] },
      bufferBytes: 8_388_608,
      counters: { sentPackets: 9, droppedNoRoute: 3 },
    };
    const text = await textOf({ datapath });
    assert.equal(seriesIn(text, 'flannel_udp_dropped_packets_total{reason="no_route"}'), 3);
    assert.equal(seriesIn(text, "flannel_udp_sent_packets_total"), 9);
    assert.equal(seriesIn(text, 'flannel_udp_feature{feature="USO"}'), 0);
    assert.equal(seriesIn(text, "flannel_udp_attached"), 1);
  });

  it("have as many series with a thousand peers as with two, unless they are asked for each peer", async () => {
    const many = Array.from({ length: 1000 }, (_, index) =>
      peerStatusOf(`10.${index >> 8}.${index & 255}.0/24`, "10.0.0.1"),
    );
    const lines = (text: string) => text.split("\n").filter((line) => !line.startsWith("#")).length;
    assert.equal(lines(await textOf({ peers: many })), lines(await textOf()));
    const peers = [
      peerStatusOf("10.5.7.0/24", "192.168.64.3", { probes: [PROBE] }),
      peerStatusOf("10.5.9.0/24", "192.168.64.4", { state: "missing" }),
    ];
    const text = await textOf({ peers }, true);
    assert.equal(seriesIn(text, 'flannel_peer_programmed{subnet="10.5.7.0/24",public_ip="192.168.64.3"}'), 1);
    assert.equal(seriesIn(text, 'flannel_peer_programmed{subnet="10.5.9.0/24",public_ip="192.168.64.4"}'), 0);
    assert.equal(
      seriesIn(
        text,
        'flannel_peer_probe_rtt_seconds{subnet="10.5.7.0/24",public_ip="192.168.64.3",over="overlay",to="10.5.7.0"}',
      ),
      0.002,
    );
    assert.doesNotMatch(text, /flannel_peer_(receive|transmit)/);
  });

  it("have what was received from each peer and sent to it, where that is counted", async () => {
    const traffic = { receivedBytes: 11, receivedPackets: 22, sentBytes: 33, sentPackets: 44 };
    const peers = [
      peerStatusOf("10.5.7.0/24", "192.168.64.3", { traffic }),
      peerStatusOf("10.5.9.0/24", "192.168.64.4"),
    ];
    const text = await textOf({ peers }, true);
    const labels = '{subnet="10.5.7.0/24",public_ip="192.168.64.3"}';
    const names = ["receive_bytes", "receive_packets", "transmit_bytes", "transmit_packets"];
    const found = names.map((name) => seriesIn(text, `flannel_peer_${name}_total${labels}`));
    assert.deepEqual(found, [11, 22, 33, 44]);
    assert.equal([...text.matchAll(/^flannel_peer_(?:receive|transmit)/gm)].length, 4);
  });

  it("have a series for the device of each family", async () => {
    const second = { ...DEVICE, name: "flannel-v6.1", traffic: { ...DEVICE.traffic, receivedBytes: 77 } };
    const { backend } = snapshotOf();
    assert.ok(backend);
    const mtus = [...backend.devices, { name: second.name, mtu: 1430 }];
    const text = await textOf({ devices: [DEVICE, second], backend: { ...backend, mtu: 1430, devices: mtus } });
    const series = (family: string) =>
      ["flannel.1", "flannel-v6.1"].map((name) => seriesIn(text, `${family}{device="${name}"}`));
    assert.deepEqual(series("flannel_device_receive_bytes_total"), [1_500_000, 77]);
    assert.deepEqual(series("flannel_device_mtu_bytes"), [1450, 1430]);
  });

  it("leave out what a daemon does not know yet", async () => {
    const text = await textOf({
      lease: null,
      subnets: null,
      reconcile: null,
      device: null,
      devices: [],
      backend: null,
      firewall: null,
    });
    assert.doesNotMatch(text, /flannel_lease|flannel_subnets|flannel_device|NaN/);
    assert.equal(seriesIn(text, "flannel_ready"), 1);
  });
});

describe("docs/metrics.md", () => {
  const documented = new Set(
    [
      ...readFileSync(join(import.meta.dirname, "../../../../docs/metrics.md"), "utf8").matchAll(
        /`((?:flannel|process|nodejs)_\w+)`/g,
      ),
    ].map(([, name = ""]) => name),
  );

  it("names every metric, and none that there is not", () => {
    const { store } = snapshotOf();
    const seconds = { buckets: [], count: 0, sum: 0 };
    const whole = snapshotOf({
      peers: [peerStatusOf("10.5.7.0/24", "192.168.64.3", { probes: [PROBE] })],
      datapath: {
        attached: "flannel0",
        features: { on: ["TSO"], off: [] },
        bufferBytes: 1,
        counters: { sentPackets: 1, droppedNoRoute: 1 },
      },
    });
    const traffic = { receivedBytes: 1, receivedPackets: 1, sentBytes: 1, sentPackets: 1 };
    const status: DaemonStatus = {
      ...whole,
      store: {
        ...store,
        requests: [{ op: "range", seconds, errors: [{ code: "etcd.full", count: 1 }] }],
        certificates: [{ whose: "client", name: "a.pem", expires: "2026-03-01T12:00:00.000Z" }],
      },
      peers: whole.peers.map((peer) => ({ ...peer, traffic })),
      reconcile: whole.reconcile && {
        ...whole.reconcile,
        repairs: { fdb: 1 },
        errors: [{ kind: "route", errno: "EPERM", count: 1 }],
      },
    };
    const names = metricFamilies(status, { peers: true }).map(({ name }) => name);
    assert.deepEqual([...documented].toSorted(), names.toSorted());
  });
});
