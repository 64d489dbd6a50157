import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { createFakeDesk, type FakeDesk } from "../../support/control.ts";
import { type OperatorDesk, openDesk } from "../../support/operator.ts";
import { peerStatusOf, snapshotOf } from "../../support/snapshots.ts";

const SOCKET = "/run/flannel/flanneld.sock";
const NO_DEVICE = { name: "device", reason: "the kernel refused to make flannel.1" };
let desk: OperatorDesk;
let daemon: FakeDesk;

beforeEach(() => {
  desk = openDesk();
  daemon = createFakeDesk();
  desk.daemons.set(SOCKET, daemon);
});

describe("peers", () => {
  it("are a table, without columns for which there is nothing to say", async () => {
    const { status, out } = await desk.run("peers");
    assert.equal(status, 0);
    assert.equal(
      out,
      `SUBNET       PUBLIC IP     STATE       FOR    RTT
10.5.7.0/24  192.168.64.3  programmed  2m03s  -
10.5.9.0/24  192.168.64.4  programmed  2m03s  -
2 programmed, 0 missing, 0 held, 0 refused
`,
    );
  });

  it("have their traffic, their round trip and the reason where there is one", async () => {
    const traffic = { receivedBytes: 2048, receivedPackets: 2, sentBytes: 10, sentPackets: 1 };
    const reason = "route 10.5.9.0/24 via 10.5.9.0 dev flannel.1 is not in the kernel";
    daemon.snapshot = snapshotOf({
      peers: [
        peerStatusOf("10.5.7.0/24", "192.168.64.3", { traffic, rttSeconds: 0.00042 }),
        peerStatusOf("10.5.9.0/24", "192.168.64.4", { state: "missing", reason }),
      ],
      peerCounts: { programmed: 1, missing: 1, held: 0, refused: 0 },
    });
    const { status, out } = await desk.run("peers");
    assert.equal(status, 1);
    assert.equal(
      out,
      `SUBNET       PUBLIC IP     STATE       FOR    RECEIVED  SENT  RTT      WHY
10.5.7.0/24  192.168.64.3  programmed  2m03s  2.0 KiB   10 B  0.42 ms
10.5.9.0/24  192.168.64.4  missing     2m03s  -         -     -        ${reason}
1 programmed, 1 missing, 0 held, 0 refused
`,
    );
  });

  it("are followed by the records that are left out, which make nothing fail", async () => {
    const since = "2026-03-01T12:00:00.000Z";
    const leftOut = [
      { key: "10.5.8.0-24", publicIp: "192.168.64.9", reason: "its backend is udp, ours is vxlan", since },
    ];
    daemon.snapshot = snapshotOf({ leftOut, peerCounts: { programmed: 2, missing: 0, held: 0, refused: 1 } });
    const { status, out } = await desk.run("peers");
    assert.equal(status, 0);
    assert.match(out, /^RECORD +PUBLIC IP +WHY IT IS LEFT OUT\n10\.5\.8\.0-24 +192\.168\.64\.9 +its backend is udp/m);
  });

  it("end with 2 while the host is not ready, and with the reason in place of noughts", async () => {
    const waiting = { name: "config", reason: "there is no network config" };
    const unknown = { reconcile: null, peers: [], peerCounts: { programmed: 0, missing: 0, held: 0, refused: 0 } };
    daemon.snapshot = snapshotOf({ ...unknown, state: "not ready", checks: [waiting, NO_DEVICE] });
    assert.deepEqual(await desk.run("peers"), {
      status: 2,
      out: "",
      err: "flanneld: the host is not ready: config: there is no network config\n",
    });
    daemon.snapshot = snapshotOf({ state: "not ready", checks: [NO_DEVICE] });
    const { status, out, err } = await desk.run("peers");
    assert.deepEqual([status, err], [2, `flanneld: the host is not ready: device: ${NO_DEVICE.reason}\n`]);
    assert.match(out, /^2 programmed/m);
  });

  it("have the loss that was counted, and the path of each family through the overlay", async () => {
    const way = (over: "underlay" | "overlay", address: string, pathMtu: number | null, lossRatio = 0) => {
      return { over, address, rttSeconds: 0.001, lossRatio, pathMtu, isAnswering: lossRatio < 0.5 };
    };
    daemon.snapshot = snapshotOf({
      peers: [
        peerStatusOf("10.5.7.0/24", "192.168.64.3", {
          rttSeconds: 0.001,
          probes: [
            way("underlay", "192.168.64.3", 1500),
            way("overlay", "10.5.7.0", 1450, 0.6),
            way("underlay", "fd00::3", 1500),
            way("overlay", "fc00:0:0:7::", 1430),
          ],
        }),
        peerStatusOf("10.5.8.0/24", "192.168.64.4", { probes: [way("underlay", "192.168.64.4", 1500)] }),
        peerStatusOf("10.5.9.0/24", "192.168.64.5", {
          probes: [way("underlay", "192.168.64.5", 1500), way("overlay", "10.5.9.0", null)],
        }),
      ],
    });
    const rows = (await desk.run("peers")).out.split("\n").slice(0, 4);
    assert.deepEqual(
      rows.map((row) => row.split(/ {2,}/).slice(-3)),
      [
        ["RTT", "LOSS", "PATH MTU"],
        ["1.00 ms", "60 %", "1450 (IPv4) 1430 (IPv6)"],
        ["-", "0 %", "1500"],
        ["-", "0 %", "-"],
      ],
    );
  });

  it("are given to programs with all that is known", async () => {
    const { peers, leftOut, peerCounts } = daemon.snapshot;
    assert.deepEqual(JSON.parse((await desk.run("peers", "--json")).out), { peers, leftOut, counts: peerCounts });
  });

  it("are of one daemon, which has to be named among several", async () => {
    desk.daemons.set("/run/flannel/flanneld-blue.sock", createFakeDesk());
    const { status, err } = await desk.run("peers");
    assert.equal(status, 64);
    assert.match(err, /--socket=\/run\/flannel\/flanneld\.sock or --socket=\/run\/flannel\/flanneld-blue\.sock/);
    assert.equal((await desk.run("peers", `--socket=${SOCKET}`)).status, 0);
  });
});

describe("events", () => {
  beforeEach(() => {
    daemon.events.record("info", "renewed the lease", { subnet: "10.5.52.0/24" });
    daemon.events.record("warn", "lost the connection to etcd", { reason: "no answer within 5 s" });
  });

  it("look like lines of the log", async () => {
    const { status, out } = await desk.run("events");
    assert.equal(status, 0);
    assert.equal(
      out,
      `2024-01-01T00:00:00.000Z INFO  renewed the lease subnet=10.5.52.0/24
2024-01-01T00:00:00.000Z WARN  lost the connection to etcd reason="no answer within 5 s"
`,
    );
    desk.isTerminal = true;
    assert.equal(stripVTControlCharacters((await desk.run("events")).out), out);
  });

  it("are lines of JSON for programs", async () => {
    const lines = (await desk.run("events", "--json")).out.trimEnd().split("\n");
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      daemon.events.after(0),
    );
  });

  it("are followed until the daemon ends, which is said", async () => {
    const { status, out, err } = await desk.run("events", "--follow");
    assert.deepEqual([status, out], [2, (await desk.run("events")).out]);
    assert.match(err, /it has ended/);
  });
});

describe("log-level", () => {
  it("shows the level, and sets it", async () => {
    assert.equal((await desk.run("log-level")).out, "info\n");
    assert.equal((await desk.run("log-level", "debug")).out, "debug (was info)\n");
    assert.equal(daemon.logLevel.get(), "debug");
    assert.deepEqual(JSON.parse((await desk.run("log-level", "warn", "--json")).out), {
      level: "warn",
      before: "debug",
    });
  });

  it("refuses what is no level, and changes nothing", async () => {
    const { status, err } = await desk.run("log-level", "trace");
    assert.equal(status, 64);
    assert.match(err, /"trace" is no log level: there are error, warn, info, debug/);
    assert.equal(daemon.logLevel.get(), "info");
  });
});
