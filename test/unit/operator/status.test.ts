import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { byCommand, byHand } from "../../../src/base/remedy.ts";
import { NONE_HERE } from "../../../src/control/client.ts";
import type { EndKind, FoundNote } from "../../../src/control/end-note.ts";
import { createFakeDesk, type FakeDesk } from "../../support/control.ts";
import { type OperatorDesk, openDesk } from "../../support/operator.ts";
import { DEVICE, peerStatusOf, snapshotOf } from "../../support/snapshots.ts";

const SOCKET = "/run/flannel/flanneld.sock";
const ETCD_AWAY = {
  name: "etcd",
  reason: "etcd did not answer (watching the leases): no answer within 5 s",
  remedy: null,
  command: null,
};
const NO_DEVICE = { name: "device", reason: "the kernel refused to make flannel.1" };
const NO_TUN = "backend udp cannot run here: there is no /dev/net/tun";
let desk: OperatorDesk;
let daemon: FakeDesk;

beforeEach(() => {
  desk = openDesk();
  daemon = createFakeDesk();
  desk.daemons.set(SOCKET, daemon);
});

/** Left so long ago. */
function noteOf(kind: EndKind, millis: number, message: string): FoundNote {
  const at = new Date(desk.clock.now() - millis).toISOString();
  return {
    kind,
    socket: SOCKET,
    at,
    prefix: "/coreos.com/network",
    pid: 7,
    status: 78,
    code: "backend.unsuitable",
    message,
    holder: null,
  };
}

describe("status", () => {
  it("is one screen, with the time left of the lease and what it goes by", async () => {
    const { status, out, err } = await desk.run("status");
    assert.deepEqual([status, err], [0, ""]);
    assert.equal(
      out,
      `flanneld dev  ready  process 4242, up 1h02m, 61 MiB, log level info
  network   10.5.0.0/16 at /coreos.com/network/config, 253 of 256 subnets free
  lease     10.5.52.0/24 for 192.168.64.2, 22h58m left, renewed 1h02m ago
  backend   vxlan on flannel.1, MTU 1450
  underlay  eth0 192.168.64.2, MTU 1500
  store     etcd at http://192.168.64.1:2379, connected, revision 17, last answer 2s ago
  peers     2 programmed
  paths     not probed: flanneld check measures now what gets through, --probe-interval=10 all the time
  kernel    8 of 8 objects in place, 4 passes
  firewall  iptables (iptables), 3 checks
  traffic   received 1.4 MiB, sent 900 B on flannel.1
`,
    );
  });

  it("counts the subnets of a network that has very many", async () => {
    daemon.snapshot = snapshotOf({ subnets: { total: 2 ** 32, allocated: 3, free: 2 ** 32 - 3 } });
    assert.match((await desk.run("status")).out, /, 4,294,967,293 of 4,294,967,296 subnets free$/m);
  });

  it("names the MTU and the traffic of the device of each family", async () => {
    const { backend } = snapshotOf();
    assert.ok(backend);
    const devices = [...backend.devices, { name: "flannel-v6.1", mtu: 1430 }];
    const second = { ...DEVICE, name: "flannel-v6.1", traffic: { ...DEVICE.traffic, sentBytes: 5 } };
    daemon.snapshot = snapshotOf({ backend: { ...backend, mtu: 1430, devices }, devices: [DEVICE, second] });
    const { out } = await desk.run("status");
    assert.match(
      out,
      /^ {2}backend +vxlan on flannel\.1 \(MTU 1450\) and flannel-v6\.1 \(MTU 1430\), MTU 1430 for pods$/m,
    );
    assert.match(out, /sent 900 B on flannel\.1\n {2}traffic +received 1\.4 MiB, sent 5 B on flannel-v6\.1$/m);
  });

  it("ends with 1 when the daemon is degraded, and says why", async () => {
    daemon.snapshot = snapshotOf({
      state: "degraded",
      degraded: [ETCD_AWAY, { name: "peers", reason: null, remedy: null, command: null }],
    });
    const { status, out } = await desk.run("status");
    assert.equal(status, 1);
    assert.match(out, /^flanneld dev {2}degraded /);
    assert.match(out, /^degraded\n {2}etcd {2}etcd did not answer \(watching the leases\): no answer within 5 s$/m);
    assert.ok(!out.includes("\n  peers  null"));
  });

  it("tells what mends it below what is degraded", async () => {
    const sentence = "the nftables chain inet fw forward drops what is forwarded";
    const mending = byCommand("nft add rule inet fw forward accept");
    const degraded = [
      { name: "forward-rules", reason: sentence, ...mending },
      { name: "interface", reason: "the route leaves by eth1", ...byHand("take that route away") },
    ];
    daemon.snapshot = snapshotOf({ state: "degraded", degraded });
    const { out } = await desk.run("status");
    assert.match(
      out,
      /^degraded\n {2}forward-rules {2}the nftables chain .* forwarded\n {17}mend: nft add rule inet fw forward accept$/m,
    );
    assert.match(out, /^ {2}interface +the route leaves by eth1\n {17}advice: take that route away$/m);
    // A daemon of an older version does not say which of the two it is.
    const [{ command: _, ...older }] = degraded as [(typeof degraded)[number]];
    daemon.snapshot = snapshotOf({ state: "degraded", degraded: [older as (typeof degraded)[number]] });
    assert.match((await desk.run("status")).out, /^ +mend: nft add rule inet fw forward accept$/m);
  });

  it("says that nobody measures the paths only where there are peers and no probes", async () => {
    daemon.snapshot = snapshotOf({ peers: [] });
    assert.ok(!(await desk.run("status")).out.includes("not probed"));
    const probe = {
      over: "underlay",
      address: "192.168.64.3",
      rttSeconds: 0.001,
      lossRatio: 0,
      pathMtu: 1500,
    } as const;
    const probed = peerStatusOf("10.5.53.0/24", "192.168.64.3", { probes: [{ ...probe, isAnswering: true }] });
    daemon.snapshot = snapshotOf({ peers: [probed] });
    assert.ok(!(await desk.run("status")).out.includes("not probed"));
  });

  it("ends with 2 when it is not ready, also before anything is known", async () => {
    const unknown = { network: null, lease: null, backend: null, underlay: null, reconcile: null, subnets: null };
    const store = { ...snapshotOf().store, connected: null, lastAnswer: null, revision: null };
    const none = { firewall: null, device: null, devices: [], peers: [], propagation: null };
    daemon.snapshot = snapshotOf({ ...unknown, ...none, store, state: "not ready", checks: [NO_DEVICE] });
    const { status, out } = await desk.run("status");
    assert.equal(status, 2);
    assert.match(out, /^ {2}network {2}not known yet\n {2}lease {4}none yet\n {2}store {4}etcd at .*, not asked yet$/m);
    assert.match(out, /^not ready\n {2}device {2}the kernel refused/m);
  });

  it("tells what was repaired, newest first, and which records are left out, a few of each", async () => {
    const { reconcile } = snapshotOf();
    assert.ok(reconcile);
    const repair = (minute: number) => ({
      at: `2026-03-01T12:${minute}:03.500Z`,
      op: "create" as const,
      object: `route 10.5.${minute}.0/24 dev flannel.1`,
    });
    const lastRepairs = [11, 12, 13, 14, 15, 16].map(repair);
    const leftOut = [1, 2, 3, 4, 5, 6, 7].map((n) => ({
      key: `10.5.${n}.0-24`,
      publicIp: null,
      reason: "it is no JSON\u001b[2J",
      since: "2026-03-01T12:00:00.000Z",
    }));
    daemon.snapshot = snapshotOf({ reconcile: { ...reconcile, repaired: 6, lastRepairs }, leftOut });
    const { out } = await desk.run("status");
    const repairs = out.split("\n").filter((line) => line.includes("create route"));
    assert.deepEqual(
      [repairs.length, repairs[0], repairs.at(-1)],
      [
        5,
        "  46m00s ago  create route 10.5.16.0/24 dev flannel.1",
        "  50m00s ago  create route 10.5.12.0/24 dev flannel.1",
      ],
    );
    assert.match(out, /^ {2}10\.5\.1\.0-24 {2}it is no JSON\\u001b\[2J$/m);
    assert.match(out, /^ {2}\.\.\. +2 more: flanneld peers$/m);
    const { out: told } = await desk.run("status", `--socket=${SOCKET}`);
    assert.ok(told.includes(`2 more: flanneld peers --socket=${SOCKET}\n`), told);
  });

  it("names the first peers that are kept without a record, and for how long", async () => {
    const held = [1, 2, 3, 4, 5, 6, 7].map((n) => {
      const why =
        n === 2 ? { reason: "its record cannot be read" } : { reason: "its record is gone", keptSeconds: 840.4 };
      return peerStatusOf(`10.5.${n}.0/24`, `192.168.77.${n}`, { state: "held", ...why });
    });
    daemon.snapshot = snapshotOf({ peers: [peerStatusOf("10.5.9.0/24", "192.168.77.9"), ...held] });
    const gone = (n: number) => `  10.5.${n}.0/24  192.168.77.${n}: its record is gone, kept for 14m00s more\n`;
    const unreadable = "  10.5.2.0/24  192.168.77.2: its record cannot be read\n";
    const rest = "  ...          2 more: flanneld peers\n";
    const shown = ["\nkept without a record\n", gone(1), unreadable, gone(3), gone(4), gone(5), rest].join("");
    const { out } = await desk.run("status");
    assert.ok(out.includes(shown), out);
  });

  it("says that the subnet is another host's", async () => {
    const { lease } = snapshotOf();
    assert.ok(lease);
    daemon.snapshot = snapshotOf({ lease: { ...lease, held: false } });
    assert.match((await desk.run("status")).out, /^ {2}lease +10\.5\.52\.0\/24 belongs to another host now$/m);
  });

  it("is coloured on a terminal, and says the same there", async () => {
    const plain = (await desk.run("status")).out;
    desk.isTerminal = true;
    const { out } = await desk.run("status");
    assert.notEqual(out, plain);
    assert.equal(stripVTControlCharacters(out), plain);
  });

  it("shows every daemon of the host, and ends as the worst of them", async () => {
    desk.daemons.set("/run/flannel/flanneld-blue.sock", createFakeDesk(snapshotOf({ state: "degraded" })));
    const { status, out } = await desk.run("status");
    assert.equal(status, 1);
    assert.match(out, /^\/run\/flannel\/flanneld\.sock\nflanneld dev {2}ready/);
    assert.match(out, /^\n\/run\/flannel\/flanneld-blue\.sock\nflanneld dev {2}degraded/m);
  });

  it("gives programs the whole snapshot of each daemon", async () => {
    const { out } = await desk.run("status", "--json");
    assert.deepEqual(JSON.parse(out), {
      daemons: [{ socket: SOCKET, status: daemon.snapshot, error: null }],
      deserted: [],
      notes: [],
    });
  });

  it("ends with 2 and a sentence when no daemon runs", async () => {
    desk.daemons.clear();
    const { status, out, err } = await desk.run("status");
    assert.deepEqual([status, out], [2, ""]);
    assert.equal(err, `no flanneld answers at /run/flannel: ${NONE_HERE}\n`);
    const named = await desk.run("status", "--socket=/tmp/x.sock", "--json");
    assert.equal(named.status, 2);
    const message = `no flanneld answers at /tmp/x.sock: ${NONE_HERE}`;
    const error = { code: "daemon.absent", status: 2, message, hint: null, problems: [] };
    assert.deepEqual(JSON.parse(named.out), {
      daemons: [{ socket: "/tmp/x.sock", status: null, error }],
      deserted: [],
      notes: [],
      error,
    });
    assert.equal(named.err, `flanneld: ${message}\n`);
  });

  it("says how the last daemon has ended, and how long ago, where none runs", async () => {
    desk.daemons.clear();
    desk.notes.push(noteOf("ended", 125_000, NO_TUN));
    const says = `no flanneld answers at ${SOCKET}: it ended 2m05s ago with status 78: ${NO_TUN}`;
    const { status, out, err } = await desk.run("status");
    assert.deepEqual([status, out, err], [2, "", `flanneld: ${says}\n`]);
    const told = JSON.parse((await desk.run("status", "--json")).out);
    assert.deepEqual([told.error.message, told.daemons[0].status, told.notes], [says, null, desk.notes]);
    // Whoever names the place, and whoever asks for something else, is told as well.
    assert.equal((await desk.run("status", `--socket=${SOCKET}`)).err, `flanneld: ${says}\n`);
    for (const command of ["peers", "events", "log-level"]) {
      const asked = await desk.run(command);
      assert.deepEqual([asked.status, asked.err], [2, `${says}\n`], command);
    }
    desk.deserted.add(SOCKET);
    assert.equal((await desk.run("status")).err, `flanneld: ${says}\n`);
  });

  it("says how a daemon of another network has ended, which is nothing to the one that runs", async () => {
    const blue = "/run/flannel/flanneld-blue.sock";
    desk.notes.push({ ...noteOf("ended", 5000, NO_TUN), socket: blue });
    const { status, out, err } = await desk.run("status");
    assert.equal(status, 0);
    assert.match(out, /^flanneld dev {2}ready/);
    assert.equal(err, `flanneld: no flanneld answers at ${blue}: it ended 5s ago with status 78: ${NO_TUN}\n`);
  });

  it("tells of a second start that was refused in favour of the daemon that runs, for a day", async () => {
    const second = "another flanneld (process 4242) already carries the network /n on this host: stop it";
    desk.notes.push({ ...noteOf("refused", 61_000, second), holder: 4242 });
    const { status, out, err } = await desk.run("status");
    assert.deepEqual([status, err], [0, ""]);
    assert.match(out, /\na second start was refused\n {2}1m01s ago {2}another flanneld \(process 4242\) already .*\n$/);
    assert.equal(JSON.parse((await desk.run("status", "--json")).out).notes[0].holder, 4242);
    for (const other of [
      { ...noteOf("refused", 61_000, second), holder: 4241 },
      { ...noteOf("refused", 25 * 3_600_000, second), holder: 4242 },
    ]) {
      desk.notes.splice(0, 1, other);
      assert.ok(!(await desk.run("status")).out.includes("refused"));
    }
    // It has not ended anything.
    desk.daemons.clear();
    assert.equal((await desk.run("status")).err, `no flanneld answers at /run/flannel: ${NONE_HERE}\n`);
  });

  it("mentions the socket that a killed daemon has left beside one that runs, and takes it for none", async () => {
    const left = "/run/flannel/flanneld-blue.sock";
    desk.deserted.add(left);
    const { status, out, err } = await desk.run("status");
    assert.deepEqual([status, err], [0, `flanneld: a killed daemon has left ${left}: rm ${left}\n`]);
    assert.match(out, /^flanneld dev {2}ready/);
    assert.deepEqual(JSON.parse((await desk.run("status", "--json")).out).deserted, [left]);
    for (const command of ["peers", "events", "log-level"]) assert.equal((await desk.run(command)).status, 0, command);
    desk.daemons.clear();
    assert.equal((await desk.run("status")).status, 2);
  });

  it("does not wait for ever", async () => {
    daemon.status = () => new Promise(() => {});
    const asked = desk.run("status", "--timeout=3");
    while (desk.clock.sleepers() === 0) await new Promise((resolve) => setImmediate(resolve));
    await desk.clock.advance(3000);
    const { status, err } = await asked;
    assert.equal(status, 2);
    assert.match(err, /no answer within 3 s \(--timeout waits longer\)/);
  });

  it("knows nothing of etcd's flags", async () => {
    await assert.rejects(desk.run("status", "--etcd-prefix=/x"), /etcd-prefix/);
  });
});
