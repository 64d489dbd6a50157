import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EpochMillis } from "../../../src/base/brand.ts";
import { minutes } from "../../../src/base/brand.ts";
import { runTasks } from "../../../src/base/tasks.ts";
import type { Endpoint } from "../../../src/etcd/endpoint.ts";
import { CallFailed } from "../../../src/etcd/etcd-error.ts";
import { createFailover } from "../../../src/etcd/failover.ts";
import { createKeyspace } from "../../../src/etcd/keyspace.ts";
import { claimLease, rekeyLease, removeLease, renewLease, replaceBadRecord } from "../../../src/etcd/lease-writes.ts";
import { createTokens } from "../../../src/etcd/tokens.ts";
import type { EtcdTransport } from "../../../src/etcd/transport.ts";
import { watchLeases } from "../../../src/etcd/watch.ts";
import { watchConfig } from "../../../src/etcd/watch-config.ts";
import { positionAt } from "../../../src/etcd/watch-position.ts";
import { createLeaseFollower } from "../../../src/subnet/follow-leases.ts";
import { createLeaseHolder } from "../../../src/subnet/hold-lease.ts";
import type { Revision } from "../../../src/subnet/lease.ts";
import type { LeaseList, LeaseStore } from "../../../src/subnet/lease-store.ts";
import { createCapturedLog } from "../../fakes/captured-log.ts";
import { createFakeClock, type FakeClock } from "../../fakes/fake-clock.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import { leaseOf } from "../../support/leases.ts";
import { NO_CALLS } from "../../support/snapshots.ts";

const DAY = 86_400_000;
type Way = "refused" | "silent" | "both in turns" | "never the same";

/** Where nobody is. */
function deadEndpoint(way: Way, clock: FakeClock, count: () => void): Endpoint {
  const silence = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
  let turn = 0;
  const fail = (name: string, signal: AbortSignal): Promise<never> => {
    count();
    turn += 1;
    if (way === "silent" || (way === "both in turns" && turn % 2 === 0)) return silence(signal);
    const when = way === "never the same" ? `at ${clock.monotonic()}` : `ECONNREFUSED ${name}`;
    return Promise.reject(new CallFailed({ code: 14, details: `No connection established. Last error: ${when}` }));
  };
  const name = "10.0.0.1:2379";
  return {
    url: `http://${name}`,
    unary: (_call, _request, signal) => fail(name, signal),
    stream: () => assert.fail("nobody gets so far"),
    knock: (signal) => fail(name, signal),
    reset: () => {},
    secure: () => {},
    renew: () => {},
    [Symbol.dispose]: () => {},
  };
}

/** The real store, without the streams that cannot be opened there. */
function storeOn(endpoint: Endpoint, clock: FakeClock): LeaseStore {
  const random = createSeededRandom(1);
  const failover = createFailover([endpoint], createTokens(null), { clock, random });
  const call =
    (method: string) =>
    <T>(op: string, _request: unknown, signal: AbortSignal): Promise<T> =>
      failover.attempt(
        { op, method, repeatable: true },
        (endpoint, headers, scope) => endpoint.unary<T>({ service: "KV", method, headers }, {}, scope),
        signal,
      );
  const transport: EtcdTransport = {
    range: call("range"),
    ranges: call("range"),
    txn: call("txn"),
    grantLease: call("grant"),
    revokeLease: call("revoke"),
    timeToLive: call("ttl"),
    keepAlive: call("keepAlive"),
    openWatch: call("watch"),
    secure: () => {},
    renewWatches: () => {},
    reconnect: () => {},
    trouble: () => null,
    calls: () => NO_CALLS,
    [Symbol.dispose]: () => {},
  };
  const keyspace = createKeyspace("/net");
  const means = { transport, keyspace, clock, random };
  const list = (signal: AbortSignal) => call("range")<never>("listing the leases", {}, signal);
  return {
    survey: (signal) => call("range")("reading the network config", {}, signal),
    networkConfig: (signal) => call("range")("reading the network config", {}, signal),
    v2NetworkConfig: async () => null,
    watchNetworkConfig: (signal) => watchConfig(null, { ...means, key: keyspace.config }, signal),
    list,
    census: (_, signal) => list(signal),
    get: (_, signal) => list(signal),
    watch: (from, signal) => watchLeases(positionAt(from, null, keyspace), { ...means, list }, signal),
    claim: (subnet, attrs, ttl, signal) => claimLease(subnet, attrs, ttl, means, signal),
    rekey: (lease, subnet, attrs, ttl, signal) => rekeyLease(lease, subnet, attrs, ttl, means, signal),
    replaceBad: (subnet, attrs, ttl, signal) => replaceBadRecord(subnet, attrs, ttl, means, signal),
    renew: (lease, attrs, ttl, signal) => renewLease(lease, attrs, ttl, means, signal),
    remove: (lease, signal) => removeLease(lease, means, signal),
  };
}

describe("a day without etcd", () => {
  const cases: readonly (readonly [Way, number, number])[] = [
    ["refused", 100, 50_000],
    ["silent", 100, 20_000],
    ["both in turns", 200, 40_000],
    ["never the same", 500, 50_000],
  ];
  for (const [way, mostLines, mostAttempts] of cases) {
    it(`that is ${way} is at most ${mostLines} lines and ${mostAttempts} attempts, and ends nothing`, async (test) => {
      const clock = createFakeClock();
      const log = createCapturedLog();
      let attempts = 0;
      const store = storeOn(
        deadEndpoint(way, clock, () => {
          attempts += 1;
        }),
        clock,
      );
      const first: LeaseList = { revision: "10" as Revision, leases: [], bad: [] };
      const lease = leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.3" });
      const held = { ...lease, term: { kind: "until" as const, at: (clock.now() + minutes(30)) as EpochMillis } };
      const acquired = { lease: held, list: first, fresh: true };
      const means = { store, clock, log, random: createSeededRandom(2), onChange: () => {}, onConnected: () => {} };
      const holder = createLeaseHolder(acquired, { ttl: minutes(1440), margin: minutes(60) }, means);
      const follower = createLeaseFollower(acquired, { recount: minutes(10) }, { ...means, self: holder.lease });
      const stop = new AbortController();
      const config = async (signal: AbortSignal) => {
        for await (const _ of store.watchNetworkConfig(signal)) assert.fail("there is none");
      };
      const running = runTasks({ hold: holder.run, follow: follower.run, config }, stop.signal);
      let ended = false;
      running.then(
        () => (ended = true),
        () => (ended = true),
      );
      for (let hour = 0; hour < 24; hour++) await clock.advance(DAY / 24);
      assert.ok(!ended);
      stop.abort();
      await running;
      test.diagnostic(`${way}: ${log.lines.length} lines, ${attempts} attempts`);
      assert.ok(log.lines.length >= 20 && log.lines.length <= mostLines, `${log.lines.length} lines`);
      assert.ok(attempts > 1000 && attempts <= mostAttempts, `${attempts} attempts`);
    });
  }
});
