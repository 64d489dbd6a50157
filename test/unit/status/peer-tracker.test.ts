import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { seconds } from "../../../src/base/brand.ts";
import { createEventRing, type EventRing } from "../../../src/status/events.ts";
import {
  createPeerTracker,
  type MeasuredPeers,
  type PeerFacts,
  type PeerTracker,
} from "../../../src/status/peer-tracker.ts";
import type { Lease, SubnetKey } from "../../../src/subnet/lease.ts";
import { createFakeClock, type FakeClock } from "../../fakes/fake-clock.ts";
import { peerNumber } from "../../support/leases.ts";
import { PEER_A, PEER_B, planFor } from "../../support/vxlan-host.ts";

let clock: FakeClock;
let events: EventRing;
let tracker: PeerTracker;

const NOTHING: PeerFacts = {
  peers: [],
  departed: new Map(),
  missing: [],
  trouble: null,
  leftOut: [],
  leases: new Map(),
};

const UNMEASURED: MeasuredPeers = { probes: () => [], traffic: () => null, keptFor: () => null };

beforeEach(() => {
  clock = createFakeClock();
  events = createEventRing({ clock });
  tracker = createPeerTracker(clock, events);
});

const states = () => tracker.peers(UNMEASURED).map(({ subnet, state }) => `${subnet} ${state}`);
/** Long enough after the last time for another look. */
async function observe(facts: PeerFacts): Promise<void> {
  await clock.advance(seconds(1));
  tracker.observe(facts);
}

const told = () => events.after(0).map(({ kind, fields }) => `${kind} ${fields.subnet ?? fields.count}`);
const objectOf = (peer: Lease, kind: string) => planFor([peer]).want.filter((object) => object.kind === kind);

describe("the peers' states", () => {
  it("are programmed while nothing of them is missing, and each that comes or goes is an event", async () => {
    await observe({ ...NOTHING, peers: [PEER_A] });
    await observe({ ...NOTHING, peers: [PEER_A, PEER_B] });
    assert.deepEqual(states(), [`${PEER_A.subnet.v4} programmed`, `${PEER_B.subnet.v4} programmed`]);
    await observe({ ...NOTHING, peers: [PEER_B] });
    assert.deepEqual(told(), [
      `a peer has joined ${PEER_A.subnet.v4}`,
      `a peer has joined ${PEER_B.subnet.v4}`,
      `a peer has left ${PEER_A.subnet.v4}`,
    ]);
  });

  for (const kind of ["route", "neighbour", "fdb"]) {
    it(`are missing, of one peer alone, without its ${kind}`, () => {
      tracker.observe({ ...NOTHING, peers: [PEER_A, PEER_B], missing: objectOf(PEER_A, kind) });
      const [a, b] = tracker.peers(UNMEASURED);
      assert.equal(a?.state, "missing");
      assert.match(a?.reason ?? "", new RegExp(`^${kind} .* is not in the kernel$`));
      assert.equal(b?.state, "programmed");
    });
  }

  it("are missing for all when there is no device", () => {
    tracker.observe({ ...NOTHING, peers: [PEER_A, PEER_B], trouble: "no device" });
    assert.deepEqual(
      tracker.peers(UNMEASURED).map(({ state, reason }) => [state, reason]),
      [
        ["missing", "no device"],
        ["missing", "no device"],
      ],
    );
  });

  it("are held when the record is gone or unreadable", () => {
    const departed = new Map<SubnetKey, { isUnreadable: boolean }>([
      [PEER_A.key, { isUnreadable: false }],
      [PEER_B.key, { isUnreadable: true }],
    ]);
    tracker.observe({ ...NOTHING, peers: [PEER_A, PEER_B], departed });
    assert.deepEqual(
      tracker.peers(UNMEASURED).map(({ reason }) => reason),
      ["its record is gone", "its record cannot be read"],
    );
    const keptFor = (key: SubnetKey) => (key === PEER_A.key ? seconds(90) : null);
    const kept = () => tracker.peers({ ...UNMEASURED, keptFor }).map(({ keptSeconds }) => keptSeconds);
    assert.deepEqual(kept(), [90, null]);
    tracker.observe({ ...NOTHING, peers: [PEER_A, PEER_B], departed, trouble: "no device" });
    assert.deepEqual(kept(), [null, null], "what is missing is not kept");
  });

  it("say since when they are so, and not since when the reason is another", async () => {
    const since = () => tracker.peers(UNMEASURED)[0]?.since;
    tracker.observe({ ...NOTHING, peers: [PEER_A], trouble: "one" });
    await clock.advance(seconds(10));
    tracker.observe({ ...NOTHING, peers: [PEER_A], trouble: "two" });
    assert.equal(since(), "2024-01-01T00:00:00.000Z");
    tracker.observe({ ...NOTHING, peers: [PEER_A] });
    assert.equal(since(), "2024-01-01T00:00:10.000Z");
    assert.deepEqual(told(), [
      `a peer has joined ${PEER_A.subnet.v4}`,
      `a peer is programmed again ${PEER_A.subnet.v4}`,
    ]);
  });

  it("are told as a number when many change at once", async () => {
    const peers = Array.from({ length: 300 }, (_, index) => peerNumber(index));
    await observe({ ...NOTHING, peers });
    await observe({ ...NOTHING, peers, trouble: "no device" });
    await observe({ ...NOTHING, peers });
    assert.deepEqual(told(), [
      "peers have joined 300",
      "peers are not programmed 300",
      "peers are programmed again 300",
    ]);
  });

  it("are not looked at again and again in a burst, and are up to date when somebody asks, or a moment later", async () => {
    await observe({ ...NOTHING, peers: [PEER_A] });
    const before = told();
    tracker.observe({ ...NOTHING, peers: [PEER_A, PEER_B] });
    assert.deepEqual(told(), before);
    assert.equal(states().length, 2);
    tracker.observe({ ...NOTHING, peers: [PEER_A] });
    await observe({ ...NOTHING, peers: [PEER_A] });
    assert.equal(told().at(-1), `a peer has left ${PEER_B.subnet.v4}`);
  });

  it("have what probes have found out, and the round trip through the overlay, or none while that does not answer", () => {
    const way = (over: "underlay" | "overlay", rttSeconds: number, isAnswering = true) => {
      return { over, address: "10.0.0.1", rttSeconds, lossRatio: 0, pathMtu: 1450, isAnswering };
    };
    tracker.observe({ ...NOTHING, peers: [PEER_A, PEER_B] });
    const probes = new Map([
      [PEER_A.key, [way("underlay", 0.001), way("overlay", 0.002)]],
      [PEER_B.key, [way("underlay", 0.001), way("overlay", 0.002, false)]],
    ]);
    const known = tracker.peers({ ...UNMEASURED, probes: (key) => probes.get(key) ?? [] });
    assert.deepEqual(
      known.map(({ rttSeconds }) => rttSeconds),
      [0.002, null],
    );
    assert.deepEqual(known[0]?.probes, probes.get(PEER_A.key));
    assert.deepEqual(tracker.peers(UNMEASURED)[0]?.rttSeconds, null);
  });

  it("have what was counted, where it is", () => {
    tracker.observe({ ...NOTHING, peers: [PEER_A, PEER_B] });
    const traffic = { receivedBytes: 1, receivedPackets: 2, sentBytes: 3, sentPackets: 4 };
    const counted = tracker.peers({ ...UNMEASURED, traffic: ({ key }) => (key === PEER_A.key ? traffic : null) });
    assert.deepEqual(
      counted.map((peer) => peer.traffic),
      [traffic, null],
    );
  });
});

describe("records that are left out", () => {
  it("have their reason, the time since it is that, and the public IP of those that are leases", async () => {
    const leases = new Map([[PEER_A.key, PEER_A]]);
    const bad = { key: "10.5.9.0-24" as SubnetKey, reason: "it is no JSON" };
    tracker.observe({ ...NOTHING, leases, leftOut: [{ key: PEER_A.key, reason: "its backend is udp" }, bad] });
    await clock.advance(seconds(5));
    tracker.observe({ ...NOTHING, leases, leftOut: [{ key: PEER_A.key, reason: "its subnet overlaps" }, bad] });
    assert.deepEqual(tracker.leftOut(), [
      {
        key: PEER_A.key,
        publicIp: PEER_A.attrs.publicIp,
        reason: "its subnet overlaps",
        since: "2024-01-01T00:00:05.000Z",
      },
      { key: "10.5.9.0-24", publicIp: null, reason: "it is no JSON", since: "2024-01-01T00:00:00.000Z" },
    ]);
  });
});
