import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { planByHand } from "../../../bench/datapath/by-hand.ts";
import { parseTcpReport, parseUdpReport } from "../../../bench/datapath/iperf-report.ts";
import { sentenceOf } from "../../../bench/datapath/open-path.ts";
import { parseMachineSeconds, parseProcessSeconds } from "../../../bench/datapath/processor-time.ts";
import { parseRoundTrips, percentile } from "../../../bench/datapath/round-trips.ts";

/** The end of what iperf3 3.12 prints, with what we do not read left out. */
const TCP = {
  end: {
    sum_sent: { seconds: 1.000463, bytes: 2_472_017_920, bits_per_second: 19_766_991_243, retransmits: 7731 },
    sum_received: { seconds: 2, bytes: 2_500_000_000, bits_per_second: 10_000_000_000 },
  },
};
const UDP = {
  end: {
    sum_sent: { seconds: 1, bytes: 64_000, lost_packets: 0, packets: 1000, lost_percent: 0 },
    sum_received: { seconds: 2, bytes: 48_000, lost_packets: 100, packets: 850, lost_percent: 11.7 },
  },
};

describe("parseTcpReport", () => {
  it("counts what has arrived", () => {
    const report = parseTcpReport(JSON.stringify(TCP));
    assert.deepEqual(report, { gigabits: 20, gigabitsPerSecond: 10, retransmits: 7731 });
  });

  it("fails with the words of iperf3", () => {
    const refused = JSON.stringify({ end: {}, error: "unable to connect to server: Connection refused" });
    assert.throws(() => parseTcpReport(refused), /iperf3: unable to connect to server/);
    assert.throws(() => parseTcpReport("{}"), /no sums of both sides/);
    assert.throws(() => parseTcpReport(""), /no report: it said nothing/);
  });
});

describe("parseUdpReport", () => {
  it("counts those that the server got, and as lost also those at the end, which it never missed", () => {
    const report = parseUdpReport(JSON.stringify(UDP), 64);
    assert.deepEqual(report, { sentPerSecond: 1000, receivedPerSecond: 375, lossPercent: 25 });
  });
});

describe("parseRoundTrips", () => {
  const ping = (times: readonly string[]) =>
    [
      "PING 10.5.2.2 (10.5.2.2) 56(84) bytes of data.",
      ...times.map((time, index) => `64 bytes from 10.5.2.2: icmp_seq=${index + 1} ttl=62 time=${time} ms`),
      "",
      "--- 10.5.2.2 ping statistics ---",
      `${times.length} packets transmitted, ${times.length} received, 0% packet loss, time 4ms`,
      "rtt min/avg/max/mdev = 0.004/0.058/0.272/0.106 ms",
    ].join("\n");

  it("reads the time of each answer, in microseconds", () => {
    const trips = parseRoundTrips(ping(["0.272", "0.007", "0.004", "1.5"]));
    assert.deepEqual(trips, { answers: 4, min: 4, p50: 7, p90: 1500, p99: 1500, max: 1500 });
  });

  it("fails when there was no answer", () => {
    assert.throws(() => parseRoundTrips(ping([])), /no answer/);
  });
});

describe("percentile", () => {
  it("is a value that was measured", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    assert.deepEqual(
      [0, 50, 90, 99, 100].map((percent) => percentile(hundred, percent)),
      [1, 50, 90, 99, 100],
    );
    assert.equal(percentile([5], 99), 5);
    assert.ok(Number.isNaN(percentile([], 50)));
  });
});

describe("processor time", () => {
  it("of the machine is all but idle, iowait, steal and what guests are counted twice for", () => {
    const text = "cpu  100 20 300 5000 70 8 90 1000 100 0\ncpu0 50 10 150 2500 35 4 45 500 50 0\n";
    assert.equal(parseMachineSeconds(text), (100 + 20 + 300 + 8 + 90) / 100);
  });

  it("of a process is found behind any name", () => {
    const text = "42 (a) b (c)) S 1 42 42 0 -1 4194560 100 200 0 0 150 50 3 4 20 0 7 0 100 1000 10";
    assert.equal(parseProcessSeconds(text), 2);
  });
});

describe("sentenceOf", () => {
  it("takes the reason out of our daemon's last line", () => {
    const line = 'flanneld on h1 ended with status 78: ERROR flanneld cannot go on reason="set \\"Backend\\" right"';
    assert.equal(sentenceOf(line), 'set "Backend" right');
  });

  it("leaves the words of any other as they are", () => {
    const line = "flanneld on h1 ended with status 1: E1125 main.go:200] Failed to create SubnetManager";
    assert.equal(sentenceOf(line), line);
  });
});

describe("planByHand", () => {
  const self = { address: "192.168.77.11", subnet: "10.5.1", mac: "02:00:00:00:00:01" };
  const other = { address: "192.168.77.12", subnet: "10.5.2", mac: "02:00:00:00:00:02" };

  it("makes the same objects as the daemon with vxlan", () => {
    const { ip, bridge, subnetEnv } = planByHand("vxlan", self, other);
    assert.deepEqual(ip, [
      "link add flannel.1 address 02:00:00:00:00:01 mtu 1450 type vxlan id 1 local 192.168.77.11 dev eth0 dstport 8472 nolearning",
      "addr add 10.5.1.0/32 dev flannel.1",
      "link set flannel.1 up",
      "neigh add 10.5.2.0 lladdr 02:00:00:00:00:02 dev flannel.1 nud permanent",
      "route add 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink",
    ]);
    assert.deepEqual(bridge, ["fdb add 02:00:00:00:00:02 dst 192.168.77.12 dev flannel.1 self permanent"]);
    assert.match(subnetEnv, /^FLANNEL_SUBNET=10\.5\.1\.1\/24\nFLANNEL_MTU=1450$/m);
  });

  it("makes one route with host-gw", () => {
    const { ip, bridge, subnetEnv } = planByHand("host-gw", self, other);
    assert.deepEqual([...ip, ...bridge], ["route add 10.5.2.0/24 via 192.168.77.12 dev eth0"]);
    assert.match(subnetEnv, /^FLANNEL_MTU=1500$/m);
  });
});
