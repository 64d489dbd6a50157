import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NetworkView } from "../../src/backends/backend.ts";
import { createHostGw } from "../../src/backends/host-gw.ts";
import { createUdp } from "../../src/backends/udp.ts";
import type { Prefix } from "../../src/base/ip.ts";
import { parsePrefix6 } from "../../src/base/ipv6.ts";
import type { LinkName } from "../../src/net/objects.ts";
import { countedOf, trafficOf, trafficWith } from "../../src/peer-traffic.ts";
import type { Traffic } from "../../src/status/snapshot.ts";
import { createStatusBoard } from "../../src/status-board.ts";
import type { Lease } from "../../src/subnet/lease.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
import { createFakeNft } from "../fakes/fake-nft.ts";
import { createFakeRuleHints } from "../fakes/fake-rule-hints.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { MARK, NETWORK, PEER_A, PEER_B, planFor, SELF, underlayAt } from "../support/vxlan-host.ts";

const TABLE = "flannel-traffic/blue";
const VIEW: NetworkView = {
  network: NETWORK,
  underlay: underlayAt(SELF.attrs.publicIp),
  mark: MARK,
  device: null,
  flannelDevices: [],
  formerUnderlays: [],
  self: SELF,
  peers: [PEER_A, PEER_B],
  complete: true,
  measuredOffload: null,
};

function start(peerTraffic: boolean) {
  const clock = createFakeClock();
  const log = createCapturedLog();
  const nft = createFakeNft();
  const board = createStatusBoard(() => {});
  const { watchRules } = createFakeRuleHints();
  const means = { clock, log, board, watchRules, runTool: nft.runTool, random: createSeededRandom(1) };
  const traffic = trafficOf({ peerTraffic, etcd: { prefix: "/blue" } }, means);
  const stop = new AbortController();
  let open = () => {};
  const ready = new Promise<void>((resolve) => {
    open = resolve;
  });
  const running = traffic.run(() => ready, stop.signal).catch(() => {});
  return {
    clock,
    log,
    nft,
    board,
    traffic,
    ready: () => open(),
    [Symbol.asyncDispose]: async () => {
      open();
      stop.abort();
      await running;
    },
  };
}

describe("what is counted", () => {
  it("are the peers' subnets, where their packets come and go", () => {
    const view = { peers: [PEER_A, PEER_B], complete: true };
    assert.deepEqual(countedOf(view, planFor(view.peers)), {
      devices: ["flannel.1"],
      subnets: [PEER_A.subnet.v4, PEER_B.subnet.v4],
      complete: true,
    });
  });

  it("is so with a backend whose routes lead to the underlay, and with one that has one route for all", () => {
    assert.deepEqual(countedOf(VIEW, createHostGw({}).plan(VIEW)).devices, ["eth0"]);
    const tun = { ...VIEW, device: "flannel0" as LinkName };
    assert.deepEqual(countedOf(tun, createUdp({}).plan(tun)).devices, ["flannel0"]);
  });

  it("is of both families, where a peer has both", () => {
    const both: Lease = { ...PEER_A, subnet: { v4: PEER_A.subnet.v4, v6: parsePrefix6("fd00:5:0:20::/64") } };
    const { subnets } = countedOf({ peers: [both], complete: false }, { want: [] });
    assert.deepEqual(subnets, ["10.5.20.0/24", "fd00:5:0:20::/64"]);
    const one: Traffic = { receivedBytes: 1, receivedPackets: 2, sentBytes: 3, sentPackets: 4 };
    const counted = new Map(subnets.map((subnet: Prefix) => [subnet, one]));
    const sum = { receivedBytes: 2, receivedPackets: 4, sentBytes: 6, sentPackets: 8 };
    assert.deepEqual(trafficWith(both, counted), sum);
    assert.equal(trafficWith(PEER_B, counted), null);
  });
});

describe("traffic by peer", () => {
  it("is counted with the flag, once the kernel is ready", async () => {
    await using host = start(true);
    const view = { peers: [PEER_A], complete: true };
    host.traffic.viewed(view);
    host.traffic.planned(planFor(view.peers));
    await host.clock.advance(5000);
    assert.deepEqual(host.nft.calls, []);
    host.ready();
    await host.clock.advance(5000);
    assert.deepEqual([...host.nft.tables.keys()], [TABLE]);
    assert.equal((await host.traffic.read?.())?.size, 1);
  });

  it("is not counted anew for a plan that is the same", async () => {
    await using host = start(true);
    host.ready();
    const plan = planFor([PEER_A]);
    host.traffic.viewed({ peers: [PEER_A], complete: true });
    host.traffic.planned(plan);
    await host.clock.advance(5000);
    host.nft.calls.splice(0);
    host.traffic.viewed({ peers: [PEER_B], complete: true });
    host.traffic.planned(plan);
    await host.clock.advance(5000);
    assert.deepEqual(host.nft.calls, []);
  });

  it("is told by the board when it cannot be counted", async () => {
    await using host = start(true);
    host.ready();
    host.nft.answer = { kind: "missing" };
    host.traffic.viewed({ peers: [PEER_A], complete: true });
    host.traffic.planned(planFor([PEER_A]));
    await host.clock.advance(5000);
    const { degraded } = host.board.readiness();
    assert.match(degraded.find(({ name }) => name === "peer-traffic")?.reason ?? "", /install nftables/);
  });

  it("is removed without the flag, if an earlier start has counted it", async () => {
    await using host = start(false);
    host.nft.tables.set(TABLE, { sets: new Map(), chains: new Map() });
    host.nft.tables.set("flannel-traffic/green", { sets: new Map(), chains: new Map() });
    host.ready();
    await host.clock.advance(5000);
    assert.deepEqual([...host.nft.tables.keys()], ["flannel-traffic/green"]);
    assert.equal(host.traffic.read, null);
    assert.deepEqual(host.log.messages(), ["traffic is not counted by peer any more"]);
    await host.clock.advance(3_600_000);
    assert.deepEqual(host.nft.calls, ["delete"]);
  });

  it("is removed later when that fails, which is told once, and is not missed where there is no nft", async () => {
    await using host = start(false);
    host.nft.tables.set(TABLE, { sets: new Map(), chains: new Map() });
    host.nft.answer = {
      kind: "ended",
      status: 1,
      stdout: "",
      stderr: "Error: Could not process rule: Device or resource busy",
    };
    host.ready();
    await host.clock.advance(5000);
    host.nft.answer = null;
    await host.clock.advance(60_000);
    assert.deepEqual([...host.nft.tables.keys()], []);
    assert.equal(host.log.messages("warn").length, 1);
    for (const answer of [
      { kind: "missing" as const },
      { kind: "ended" as const, status: 1, stdout: "", stderr: "netlink: Error: Operation not supported" },
    ]) {
      await using bare = start(false);
      bare.nft.answer = answer;
      bare.ready();
      await bare.clock.advance(60_000);
      assert.deepEqual([bare.nft.calls, bare.log.messages()], [["delete"], []]);
    }
  });
});
