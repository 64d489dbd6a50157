import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seconds } from "../../../src/base/brand.ts";
import { isError } from "../../../src/base/errors.ts";
import type { Random } from "../../../src/base/random.ts";
import type { Endpoint } from "../../../src/etcd/endpoint.ts";
import { CallFailed } from "../../../src/etcd/etcd-error.ts";
import { createFailover } from "../../../src/etcd/failover.ts";
import { type AskCluster, withinOneCluster } from "../../../src/etcd/one-cluster.ts";
import { createTokens } from "../../../src/etcd/tokens.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";

const { signal } = new AbortController();
const DEAD = new CallFailed({ code: 14, details: "No connection established. Last error: Error: nobody there" });
const OURS = "2571";
const THEIRS = "48879";

/** Of which cluster each endpoint is; null when nobody is there, "silent" when nobody answers. */
type Clusters = Partial<Record<Name, string | null>>;
type Name = "a" | "b" | "c";

/** Calls begin with the `first`. */
function endpointsOf(clusters: Clusters, first = 0, revisionOf: (name: Name) => bigint = () => 7n) {
  const clock = createFakeClock();
  const [looks, calls]: [string[], string[]] = [[], []];
  const nameOf = ({ url }: Pick<Endpoint, "url">) => new URL(url).hostname as Name;
  const answerOf = async (name: Name, scope: AbortSignal): Promise<string> => {
    const cluster = clusters[name] ?? null;
    if (cluster === null) throw DEAD;
    if (cluster === "silent") await clock.sleep(seconds(3600), scope);
    return cluster;
  };
  const endpoints = Object.keys(clusters).map(
    (name): Endpoint => ({
      url: `http://${name}:2379`,
      unary: () => assert.fail("only the attempt calls"),
      stream: () => assert.fail("only the attempt calls"),
      reset: () => {},
      secure: () => {},
      renew: () => {},
      knock: () => Promise.resolve(),
      [Symbol.dispose]: () => {},
    }),
  );
  const random: Random = { integer: () => first, bytes: (length) => new Uint8Array(length) };
  const anywhere = createFailover(endpoints, createTokens(null), { clock, random });
  const ask: AskCluster = async (endpoint, _headers, scope) => {
    const name = nameOf(endpoint);
    looks.push(name);
    return { cluster: await answerOf(name, scope), revision: revisionOf(name) };
  };
  const failover = withinOneCluster(anywhere, endpoints, ask, clock);
  const call = (repeatable = true) =>
    failover.attempt(
      { op: "test", method: "range", repeatable },
      async (endpoint, _headers, scope) => {
        calls.push(nameOf(endpoint));
        await answerOf(nameOf(endpoint), scope);
        return nameOf(endpoint);
      },
      signal,
    );
  return { call, looks, calls, clock };
}

async function reasonOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (isError(error, "etcd.unavailable")) return error.info.reason;
    throw error;
  }
  return assert.fail("it was answered");
}

describe("endpoints of one cluster", () => {
  it("are all looked at before the first call, and each before it is used, but not before every call", async () => {
    const clusters: Clusters = { a: OURS, b: OURS, c: OURS };
    const { call, looks } = endpointsOf(clusters);
    assert.equal(await call(), "a");
    assert.deepEqual(looks.splice(0), ["a", "b", "c"]);
    assert.equal(await call(false), "a");
    clusters.a = null;
    assert.deepEqual([await call(), await call(false)], ["b", "b"]);
    assert.deepEqual(looks.splice(0), ["b"]);
    clusters.a = OURS;
    clusters.b = null;
    assert.deepEqual([await call(), await call(false)], ["c", "c"]);
    clusters.c = null;
    assert.equal(await call(), "a");
    assert.deepEqual(looks, ["c", "a"]);
  });

  it("need no look where there is one alone", async () => {
    const { call, looks } = endpointsOf({ a: OURS });
    assert.equal(await call(), "a");
    assert.deepEqual(looks, []);
  });

  it("do not wait longer than two seconds for one that is silent", async () => {
    const { call, clock } = endpointsOf({ a: OURS, b: "silent", c: OURS });
    const answer = call();
    await clock.advance(seconds(2));
    assert.equal(await answer, "a");
    assert.equal(clock.sleepers(), 0);
  });

  it("may all be another's after a while: an etcd that was made anew", async () => {
    const clusters: Clusters = { a: OURS, b: OURS };
    const { call } = endpointsOf(clusters);
    assert.equal(await call(), "a");
    Object.assign(clusters, { a: null, b: null });
    await reasonOf(call());
    Object.assign(clusters, { a: THEIRS, b: THEIRS });
    assert.equal(await call(), "a");
  });

  it("may be another's one after the other: the first is taken once no other is of the former", async () => {
    const clusters: Clusters = { a: OURS, b: OURS };
    const { call } = endpointsOf(clusters);
    assert.equal(await call(), "a");
    clusters.a = null;
    assert.equal(await call(), "b");
    clusters.a = THEIRS;
    assert.equal(await call(), "b");
    clusters.b = null;
    assert.equal(await call(), "a");
    clusters.b = THEIRS;
    clusters.a = null;
    assert.equal(await call(), "b");
  });
});

describe("endpoints of different clusters", () => {
  it("are used for nothing, and told in the same words whichever is asked first", async () => {
    const expected =
      "the endpoints belong to different etcd clusters: http://a:2379 and http://b:2379 to a0b, http://c:2379 to beef";
    for (const first of [0, 1, 2]) {
      const { call, calls } = endpointsOf({ a: OURS, b: OURS, c: THEIRS }, first);
      assert.equal(await reasonOf(call()), expected);
      assert.equal(await reasonOf(call(false)), expected);
      assert.deepEqual(calls, []);
    }
  });

  it("that have one id, as those have that were set up alike, are told by revisions that go back", async () => {
    for (const first of [0, 1]) {
      const { call, calls } = endpointsOf({ a: OURS, b: OURS, c: null }, first, (name) => (name === "a" ? 7n : 8n));
      const reason = await reasonOf(call());
      assert.match(reason, /clusters, although all have the id a0b: http:\/\/a:2379, http:\/\/b:2379/);
      assert.deepEqual(calls, []);
    }
    let revision = 7n;
    const busy = endpointsOf({ a: OURS, b: OURS }, 0, () => revision++);
    assert.equal(await busy.call(), "a");
  });

  it("are left for those of the cluster that is followed, by writes, too", async () => {
    const clusters: Clusters = { a: OURS, b: null, c: OURS };
    const { call, calls } = endpointsOf(clusters);
    assert.equal(await call(), "a");
    clusters.a = null;
    clusters.b = THEIRS;
    calls.splice(0);
    assert.equal(await call(), "c");
    clusters.a = OURS;
    clusters.c = null;
    assert.equal(await call(), "a");
    clusters.a = null;
    clusters.c = OURS;
    assert.equal(await call(false), "c");
    assert.ok(!calls.includes("b"), String(calls));
  });

  it("are not fled to while the cluster that is followed does not answer", async () => {
    const clusters: Clusters = { a: OURS, b: null };
    const { call, calls } = endpointsOf(clusters);
    assert.equal(await call(), "a");
    clusters.a = null;
    clusters.b = THEIRS;
    const reason = await reasonOf(call());
    assert.match(reason, /http:\/\/b:2379: it belongs to another etcd cluster, beef, than this host's, a0b, which/);
    assert.match(await reasonOf(call(false)), /nobody there/);
    clusters.a = OURS;
    assert.equal(await call(), "a");
    assert.ok(!calls.includes("b"), String(calls));
  });
});
