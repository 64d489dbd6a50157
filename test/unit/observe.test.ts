import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { NetworkView } from "../../src/backends/backend.ts";
import { seconds } from "../../src/base/brand.ts";
import { FlannelError } from "../../src/base/errors.ts";
import type { Prefix } from "../../src/base/ip.ts";
import type { Options } from "../../src/cli/options.ts";
import type { Learned } from "../../src/learn.ts";
import type { Means } from "../../src/means.ts";
import { createReconciler, type Reconciler } from "../../src/net/reconciler.ts";
import { createObserver, type ObservedParts, type Observer } from "../../src/observe.ts";
import type { StatusSources } from "../../src/status/collect.ts";
import { createEventRing, type EventRing } from "../../src/status/events.ts";
import type { Lease } from "../../src/subnet/lease.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock, type FakeClock } from "../fakes/fake-clock.ts";
import { createFakeKernel, type FakeKernel } from "../fakes/fake-kernel.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { leaseOf } from "../support/leases.ts";
import { bareHost, PEER_A, PEER_B, planFor } from "../support/vxlan-host.ts";

const PEER_C = leaseOf({ subnet: "10.5.40.0/24", publicIp: "192.168.64.6", mac: "02:00:00:00:00:40" });

let clock: FakeClock;
let events: EventRing;
let kernel: FakeKernel;
let isReadable: boolean;
let plan: ReturnType<typeof planFor>;
let observer: Observer;
let reconciler: Reconciler;
let sources: Partial<StatusSources>;
let stop: AbortController;
let running: Promise<void>;

/** The store has told of a change, after which there are these peers. */
async function change(...peers: readonly Lease[]): Promise<void> {
  observer.heard({ kind: "changes", changes: [] } as unknown as Parameters<Observer["heard"]>[0]);
  plan = planFor(peers);
  observer.viewed({ peers } as unknown as NetworkView);
  observer.planned([]);
  reconciler.poke();
  await clock.advance(seconds(5));
}

function attach(traffic: ObservedParts["traffic"]): void {
  const keeper = { table: () => ({ leases: new Map() }), departed: () => new Map() };
  const parts = { reconciler, keeper, plane: null, probes: null, traffic, device: null };
  observer.attach(parts as unknown as ObservedParts);
}

const states = () => (sources.peers?.(new Map()) ?? []).map(({ subnet, state }) => `${subnet} ${state}`);

beforeEach(() => {
  clock = createFakeClock();
  events = createEventRing({ clock });
  kernel = createFakeKernel(bareHost("192.168.64.2"));
  isReadable = true;
  const readable: FakeKernel = {
    ...kernel,
    async read(scope, signal) {
      if (isReadable) return await kernel.read(scope, signal);
      throw new FlannelError("netlink.errno", { op: "dump routes", errno: "EINTR", message: null });
    },
  };
  sources = {};
  const board = { readiness: () => ({ checks: [], degraded: [] }) };
  const status = { attach: (more: Partial<StatusSources>) => Object.assign(sources, more) };
  const means = { clock, events, board, status } as unknown as Means;
  observer = createObserver({} as Learned, { etcd: { prefix: "", endpoints: [] } } as unknown as Options, means);
  plan = planFor([]);
  const pulse = observer.over({ interval: seconds(1), beat: () => {} });
  const deps = { kernel: readable, clock, random: createSeededRandom(1), log: createCapturedLog(), pulse };
  reconciler = createReconciler({ ...deps, plan: () => plan });
  attach({ read: null });
  stop = new AbortController();
  running = reconciler.run(stop.signal);
});
afterEach(async () => {
  stop.abort();
  await running;
});

describe("what is known of the peers", () => {
  it("is as the last pass has left them, and how long it took is counted once for each change", async () => {
    await change(PEER_A, PEER_B);
    assert.deepEqual(states(), ["10.5.20.0/24 programmed", "10.5.30.0/24 programmed"]);
    await change(PEER_A);
    assert.deepEqual(states(), ["10.5.20.0/24 programmed"]);
    assert.equal(observer.peers(), 1);
    assert.equal(sources.propagation?.().count, 2);
  });

  it("has what was counted of each, and is there all the same when that cannot be read", async () => {
    await change(PEER_A);
    const traffic = { receivedBytes: 1, receivedPackets: 2, sentBytes: 3, sentPackets: 4 };
    let read = async () => new Map([[PEER_A.subnet.v4 as Prefix, traffic]]);
    attach({ read: () => read() });
    const known = async () => sources.peers?.((await sources.peerTraffic?.()) ?? new Map())[0]?.traffic;
    assert.deepEqual(await known(), traffic);
    read = () => Promise.reject(new FlannelError("firewall.failed", { tool: "nft", reason: "exit status 1" }));
    assert.equal(await known(), null);
  });

  it("follows them also while something cannot be removed", async () => {
    await change(PEER_A, PEER_B);
    kernel.failures.push({ matches: ({ op }) => op === "delete", errno: "EBUSY", times: Number.POSITIVE_INFINITY });
    await change(PEER_A, PEER_C);
    assert.match(reconciler.status().trouble ?? "", /EBUSY/);
    assert.deepEqual(states(), ["10.5.20.0/24 programmed", "10.5.40.0/24 programmed"]);
    assert.equal(sources.propagation?.().count, 2);
  });

  it("says which is not there, and counts no time for it", async () => {
    await change(PEER_A);
    kernel.failures.push({ matches: ({ op }) => op === "create", errno: "ENOBUFS", times: Number.POSITIVE_INFINITY });
    await change(PEER_A, PEER_B);
    assert.deepEqual(states(), ["10.5.20.0/24 programmed", "10.5.30.0/24 missing"]);
    assert.equal(sources.propagation?.().count, 1);
  });

  it("stays as it was while the kernel cannot be read, and is mended with it", async () => {
    await change(PEER_A);
    isReadable = false;
    await clock.advance(seconds(120));
    assert.match(reconciler.status().trouble ?? "", /EINTR/);
    await change(PEER_A, PEER_B);
    assert.deepEqual(states(), ["10.5.20.0/24 programmed"]);
    assert.equal(sources.propagation?.().count, 1);
    isReadable = true;
    await clock.advance(seconds(60));
    assert.deepEqual(states(), ["10.5.20.0/24 programmed", "10.5.30.0/24 programmed"]);
    assert.deepEqual(
      events.after(0).map(({ kind }) => kind),
      ["a peer has joined", "a peer has joined"],
    );
  });
});
