import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Millis, millis, seconds } from "../../src/base/brand.ts";
import type { LinkName } from "../../src/net/objects.ts";
import { createPeerProbes, type PeerProbes } from "../../src/probe-peers.ts";
import { type CapturedLog, createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock, type FakeClock } from "../fakes/fake-clock.ts";
import { createFakePinger, type FakePinger } from "../fakes/fake-pinger.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { leaseOf, peerNumber } from "../support/leases.ts";
import { NETWORK, PEER_A, PEER_B } from "../support/vxlan-host.ts";

const [A, A_OVERLAY] = ["192.168.64.4", "10.5.20.0"];
const B = "192.168.64.5";
let clock: FakeClock;
let log: CapturedLog;
let pinger: FakePinger;
let changes: number;
let stop: AbortController;
let running: Promise<void>;

function start(interval: Millis, seed = 1): PeerProbes {
  const device = { dev: "eth0" as LinkName, source: null, via: null };
  const link = { kind: "link", type: "other", name: device.dev, mtu: 1500, up: true, mac: null, driver: null } as const;
  const kernel = { lookup: async () => device, links: async () => [link] };
  const onChange = () => {
    changes += 1;
  };
  const probes = createPeerProbes(interval, { pinger, kernel, clock, random: createSeededRandom(seed), log, onChange });
  running = probes.run(stop.signal).catch((error: unknown) => {
    if (error !== stop.signal.reason) throw error;
  });
  return probes;
}

function answering(...addresses: readonly string[]): void {
  for (const address of addresses) pinger.paths.set(address, { rtt: millis(2) });
}

beforeEach(() => {
  clock = createFakeClock();
  log = createCapturedLog();
  pinger = createFakePinger(clock);
  changes = 0;
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await running;
});

describe("probes of peers", () => {
  it("measure the round trip, the loss and the path of each way, and say nothing while all is well", async () => {
    answering(A, A_OVERLAY, B, "10.5.30.0");
    const probes = start(seconds(10));
    probes.follow({ peers: [PEER_A, PEER_B], network: NETWORK });
    await clock.advance(60_000);
    assert.deepEqual(probes.ways(PEER_A.key), [
      { over: "underlay", to: A, rtt: 2, loss: 0, pathMtu: 1500, isAnswering: true },
      { over: "overlay", to: A_OVERLAY, rtt: 2, loss: 0, pathMtu: 1500, isAnswering: true },
    ]);
    assert.deepEqual([probes.trouble(), log.lines, changes], [null, [], 0]);
  });

  it("tell a peer that stops to answer, and when it is back, once", async () => {
    answering(A, A_OVERLAY);
    const probes = start(seconds(10));
    probes.follow({ peers: [PEER_A], network: NETWORK });
    await clock.advance(60_000);
    pinger.paths.clear();
    await clock.advance(80_000);
    assert.equal(probes.trouble(), "192.168.64.4 (10.5.20.0/24) does not answer at all");
    assert.deepEqual(
      probes.ways(PEER_A.key).map(({ isAnswering }) => isAnswering),
      [false, false],
    );
    answering(A, A_OVERLAY);
    await clock.advance(60_000);
    assert.equal(probes.trouble(), null);
    const told = log.lines.map(({ message }) => message);
    assert.deepEqual(told.indexOf("all peers answer probes"), told.length - 1);
    // One way after the other stops, and each time there is another thing to say.
    assert.ok(told.length <= 4, told.join("\n"));
    assert.equal(changes, told.length);
  });

  it("tell an overlay that is silent while the host answers", async () => {
    answering(A);
    const probes = start(seconds(5));
    probes.follow({ peers: [PEER_A], network: NETWORK });
    await clock.advance(60_000);
    assert.match(
      probes.trouble() ?? "",
      /^192\.168\.64\.4 \(10\.5\.20\.0\/24\) answers, but not through the overlay: UDP port 8472/,
    );
  });

  it("do not call lost what is lost now and then, and do so when it is much", async () => {
    answering(A_OVERLAY);
    pinger.paths.set(A, { losesEvery: 10 });
    const probes = start(seconds(5));
    probes.follow({ peers: [PEER_A], network: NETWORK });
    await clock.advance(300_000);
    assert.equal(probes.trouble(), null);
    assert.ok((probes.ways(PEER_A.key)[0]?.loss ?? 0) > 0);
    pinger.paths.set(A, { losesEvery: 2 });
    await clock.advance(300_000);
    assert.match(probes.trouble() ?? "", /packets to 192\.168\.64\.4 .* were lost \(underlay\)/);
  });

  it("find the path MTU where larger packets vanish, and see when it is mended", async () => {
    answering(A_OVERLAY);
    pinger.paths.set(A, { mtu: 1400 });
    const probes = start(seconds(5));
    probes.follow({ peers: [PEER_A], network: NETWORK });
    await clock.advance(120_000);
    assert.equal(probes.ways(PEER_A.key)[0]?.pathMtu, 1400);
    assert.match(probes.trouble() ?? "", /more than 1400 bytes .* vanish without a word/);
    answering(A);
    await clock.advance(240_000);
    assert.deepEqual([probes.ways(PEER_A.key)[0]?.pathMtu, probes.trouble()], [1500, null]);
  });

  it("name the worst and count the others", async () => {
    const probes = start(seconds(5));
    probes.follow({ peers: [PEER_A, PEER_B], network: NETWORK });
    await clock.advance(60_000);
    assert.match(probes.trouble() ?? "", /does not answer at all \(and 1 more of 2 peers\)$/);
  });

  it("tell many peers that lose packets in a few words, not one for each packet", async () => {
    const peers = Array.from({ length: 200 }, (_, n) => peerNumber(n));
    for (const { attrs, subnet } of peers) {
      answering(subnet.v4.replace("/24", ""));
      pinger.paths.set(attrs.publicIp, { losesEvery: 3 });
    }
    const probes = start(seconds(2));
    probes.follow({ peers, network: NETWORK });
    await clock.advance(120_000);
    assert.match(probes.trouble() ?? "", /packets to .* were lost \(underlay\) \(and 199 more of 200 peers\)$/);
    assert.ok(changes <= 5, `${changes} changes`);
    assert.ok(log.lines.length <= 5, log.lines.map(({ fields }) => fields.reason).join("\n"));
    assert.ok((log.lines.at(-1)?.fields.peers ?? 0) > 100);
  });

  it("tell once a second at most, however fast the worst is another", async () => {
    const peers = Array.from({ length: 100 }, (_, n) => peerNumber(n));
    const probes = start(seconds(1));
    probes.follow({ peers, network: NETWORK });
    for (const { attrs, subnet } of peers) answering(attrs.publicIp, subnet.v4.replace("/24", ""));
    await clock.advance(10_000);
    pinger.paths.clear();
    await clock.advance(20_000);
    const dead = probes.trouble();
    for (const { attrs, subnet } of peers) answering(attrs.publicIp, subnet.v4.replace("/24", ""));
    const before = changes;
    await clock.advance(10_000);
    assert.match(dead ?? "", /and 99 more of 100 peers/);
    assert.equal(probes.trouble(), null);
    assert.ok(changes - before <= 11, `${changes - before} in 10 s`);
    assert.equal(log.lines.at(-1)?.message, "all peers answer probes");
  });

  it("forget who has left, and begin anew with another address", async () => {
    const probes = start(seconds(5));
    probes.follow({ peers: [PEER_A], network: NETWORK });
    await clock.advance(60_000);
    assert.notEqual(probes.trouble(), null);
    const moved = leaseOf({ subnet: "10.5.20.0/24", publicIp: "192.168.64.9" });
    probes.follow({ peers: [moved], network: NETWORK });
    assert.deepEqual(probes.ways(PEER_A.key)[0]?.isAnswering, true);
    probes.follow({ peers: [], network: NETWORK });
    assert.deepEqual([probes.trouble(), probes.ways(PEER_A.key)], [null, []]);
    const before = pinger.sent.length;
    await clock.advance(60_000);
    assert.equal(pinger.sent.length, before);
  });

  it("come at the interval, at irregular times, and never more than a hundred a second", async () => {
    const peers = Array.from({ length: 300 }, (_, n) => peerNumber(n));
    for (const { attrs, subnet } of peers) answering(attrs.publicIp, subnet.v4.replace("/24", ""));
    const probes = start(seconds(2));
    probes.follow({ peers, network: NETWORK });
    await clock.advance(20_000);
    // As long as paths are measured one at a time, each takes one packet more.
    const small = pinger.sent.filter(({ size }) => size === 84);
    assert.ok(small.length > 1700 && small.length < 2200, `${small.length} in 20 s`);
    const gaps = small.slice(1).map(({ at }, index) => Math.round(at - (small[index]?.at ?? 0)));
    assert.ok(new Set(gaps).size > 5, "they keep step");
    await clock.advance(0);
    probes.follow({ peers: [PEER_A], network: NETWORK });
    const from = pinger.sent.length;
    answering(A, A_OVERLAY);
    await clock.advance(600_000);
    const later = pinger.sent.slice(from).filter(({ to, size }) => to === A && size === 84);
    assert.ok(later.length >= 250 && later.length <= 350, `${later.length} in ten minutes of one in two seconds`);
  });

  it("end the daemon's task when the pinger breaks", async () => {
    const broken = new Error("a bug");
    Object.assign(pinger, { ping: async () => Promise.reject(broken) });
    const probes = createPeerProbes(seconds(1), {
      pinger,
      kernel: { lookup: async () => null, links: async () => [] },
      clock,
      random: createSeededRandom(1),
      log,
      onChange: () => {},
    });
    probes.follow({ peers: [PEER_A], network: NETWORK });
    running = Promise.resolve();
    const ended = assert.rejects(probes.run(stop.signal), (error) => error === broken);
    await clock.advance(10_000);
    await ended;
  });
});
