import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseEtcdMetrics, requestsBetween, sum } from "../../../bench/etcd-metrics.ts";
import { parseMonitorLine } from "../../../bench/kernel-monitor.ts";
import { arrivals, churn, kernelEvents, kernelObjects, peerLease, writeOf } from "../../../bench/peer-leases.ts";
import { peersAfter } from "../../../bench/scale/programmed.ts";
import type { Revision, SubnetKey } from "../../../src/subnet/lease.ts";
import { decodeRecord } from "../../../src/subnet/lease-codec.ts";

const OLD = peerLease(258);
const NEW_MAC = peerLease(258, { mac: 1, ip: 0 });
const NEW_IP = peerLease(258, { mac: 0, ip: 1 });

describe("a lease of a host that does not exist", () => {
  it("is a record that flanneld reads", () => {
    const { key, value } = writeOf({ before: null, after: OLD }, 20);
    assert.equal(key, "/coreos.com/network/subnets/10.1.2.0-24");
    const record = decodeRecord({
      key: "10.1.2.0-24" as SubnetKey,
      value: Buffer.from(value ?? ""),
      modRevision: "1" as Revision,
      createRevision: "1" as Revision,
      leaseId: "0",
    });
    assert.ok(record.kind === "lease");
    assert.equal(record.lease.attrs.publicIp, "172.20.1.2");
    assert.deepEqual(record.lease.attrs.backendData, { VNI: 1, VtepMAC: "02:42:00:00:01:02" });
    assert.equal(writeOf({ before: OLD, after: null }, null).value, null);
  });

  it("is three objects in a kernel, of which a change touches those that it must", () => {
    assert.deepEqual(kernelObjects(OLD), [
      "route 10.1.2.0/24",
      "neighbour 10.1.2.0 02:42:00:00:01:02",
      "fdb 02:42:00:00:01:02 172.20.1.2",
    ]);
    assert.deepEqual(
      kernelEvents({ before: null, after: OLD }),
      kernelObjects(OLD).map((object) => `+${object}`),
    );
    assert.deepEqual(kernelEvents({ before: OLD, after: null }), [
      "-route 10.1.2.0/24",
      "-neighbour 10.1.2.0",
      "-fdb 02:42:00:00:01:02 172.20.1.2",
    ]);
    assert.deepEqual(kernelEvents({ before: OLD, after: NEW_MAC }), [
      "+neighbour 10.1.2.0 02:42:00:01:01:02",
      "+fdb 02:42:00:01:01:02 172.20.1.2",
    ]);
    assert.deepEqual(kernelEvents({ before: OLD, after: NEW_IP }), ["+fdb 02:42:00:00:01:02 172.21.1.2"]);
  });
});

describe("churn", () => {
  it("follows from what was there, whatever the sizes, and leaves no two hosts alike", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 0, max: 400 }), (present, count) => {
        const changes = churn(present, count);
        assert.equal(changes.length, count);
        const hosts = new Map(arrivals(0, present).map(({ after }) => [after?.subnet ?? "", after]));
        for (const { before, after } of changes) {
          const subnet = (before ?? after)?.subnet ?? "";
          assert.deepEqual(hosts.get(subnet) ?? null, before);
          assert.ok(kernelEvents({ before, after }).length > 0);
          if (after) hosts.set(subnet, after);
          else hosts.delete(subnet);
        }
        const left = peersAfter([...arrivals(0, present), ...changes]);
        assert.deepEqual(new Set(left), new Set(hosts.values()));
        assert.equal(new Set(left.flatMap(kernelObjects)).size, 3 * left.length);
      }),
    );
  });

  it("is of every kind, and touches no host twice before it has touched most others", () => {
    const changes = churn(100, 100);
    const kinds = changes.map(({ before, after }) => (before === null ? "comes" : after === null ? "goes" : "changes"));
    assert.deepEqual([...new Set(kinds)].toSorted(), ["changes", "comes", "goes"]);
    assert.equal(new Set(changes.map(({ before, after }) => (before ?? after)?.subnet)).size, 100);
  });
});

describe("parseMonitorLine", () => {
  it("tells what has come or gone, on which device and when, and knows what is no event", () => {
    const came = parseMonitorLine("1795616368044.605 +flannel.1 fdb 02:42:00:00:00:01 172.20.0.1");
    assert.deepEqual(came, { text: "+fdb 02:42:00:00:00:01 172.20.0.1", device: "flannel.1", at: 1795616368044.605 });
    assert.equal(parseMonitorLine("1795616368044.605 -flannel.1 neighbour 10.0.1.0")?.text, "-neighbour 10.0.1.0");
    assert.equal(parseMonitorLine("1.000 + route 10.0.1.0/24")?.device, "", "of a device that is gone");
    assert.equal(parseMonitorLine("listening"), null);
  });
});

describe("etcd's metrics", () => {
  const page = (range: number) => `# HELP grpc_server_started_total Total number of RPCs started on the server.
grpc_server_started_total{grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"} ${range}
grpc_server_started_total{grpc_method="Watch",grpc_service="etcdserverpb.Watch",grpc_type="bidi_stream"} 1
grpc_server_started_total{grpc_method="Check",grpc_service="grpc.health.v1.Health",grpc_type="unary"} 9
process_cpu_seconds_total 1.5
process_resident_memory_bytes 2.5e+07
etcd_debugging_mvcc_watcher_total 3
etcd_network_client_grpc_sent_bytes_total 4096
`;

  it("are read, and what was asked between two readings is counted", () => {
    const metrics = parseEtcdMetrics(page(2));
    assert.equal(sum(metrics.requests), 3);
    assert.deepEqual([metrics.cpuSeconds, metrics.residentBytes, metrics.watchers], [1.5, 25e6, 3]);
    assert.deepEqual(requestsBetween(metrics, parseEtcdMetrics(page(7))), new Map([["KV/Range", 5]]));
  });

  it("are refused when one is not there", () => {
    assert.throws(() => parseEtcdMetrics("process_cpu_seconds_total 1"), /etcd's metrics have no process_resident/);
  });
});
