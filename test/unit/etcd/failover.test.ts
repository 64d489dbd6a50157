import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Millis, seconds } from "../../../src/base/brand.ts";
import type { Random } from "../../../src/base/random.ts";
import type { Endpoint } from "../../../src/etcd/endpoint.ts";
import { CallFailed } from "../../../src/etcd/etcd-error.ts";
import { createFailover, type Failover, type FailoverDeps } from "../../../src/etcd/failover.ts";
import { createTokens } from "../../../src/etcd/tokens.ts";
import { createFakeClock, type FakeClock } from "../../fakes/fake-clock.ts";

const { signal } = new AbortController();
const DEAD = new CallFailed({ code: 14, details: "No connection established. Last error: Error: nobody there" });
const STRANGER = new CallFailed({
  code: 14,
  details: "No connection established. Last error: Error: self-signed certificate",
});
const CUT = new CallFailed({ code: 14, details: "Connection dropped" });
const FULL = new CallFailed({ code: 8, details: "etcdserver: mvcc: database space exceeded" });

type Answer = (signal: AbortSignal) => Promise<string>;

/** Three endpoints, of which the second is asked first, and what each does. */
function threeEndpoints(
  answers: Record<string, Answer>,
  clock: FakeClock = createFakeClock(),
  knocks: Record<string, Answer> = {},
  advise: FailoverDeps["advise"] = (_, reason) => reason,
) {
  const asked: string[] = [];
  const resets: string[] = [];
  const endpoints = ["a", "b", "c"].map(
    (name): Endpoint => ({
      url: `http://${name}:2379`,
      unary: () => assert.fail("only the attempt calls"),
      stream: () => assert.fail("only the attempt calls"),
      reset: (pace) => resets.push(pace === "quick" ? name : `${name} ${pace}`),
      secure: () => assert.fail("not a matter of calls"),
      renew: () => assert.fail("not a matter of calls"),
      knock: (signal) => {
        asked.push(`knock ${name}`);
        return (knocks[name] ?? (() => Promise.resolve("")))(signal) as Promise<unknown> as Promise<void>;
      },
      [Symbol.dispose]: () => {},
    }),
  );
  const random: Random = { integer: () => 1, bytes: (length) => new Uint8Array(length) };
  const failover: Failover = createFailover(endpoints, createTokens(null), { clock, random, advise });
  const call = (repeatable: boolean, stop: AbortSignal = signal) =>
    failover.attempt(
      { op: "test", method: "range", repeatable },
      ({ url }, _headers, scope) => {
        const { hostname } = new URL(url);
        asked.push(hostname);
        return (answers[hostname] ?? (() => Promise.resolve(hostname)))(scope);
      },
      stop,
    );
  return { call, asked, resets, giveUp: failover.giveUp };
}

const fails = (error: unknown): Answer => {
  return () => Promise.reject(error);
};
const hangs: Answer = (signal) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

describe("a call to several endpoints", () => {
  it("goes to the one drawn at random, and stays with it", async () => {
    const { call, asked } = threeEndpoints({});
    assert.deepEqual([await call(true), await call(false)], ["b", "b"]);
    assert.deepEqual(asked, ["b", "b"]);
  });

  it("goes to the next when there is no connection, and the calls after it begin there", async () => {
    const { call, asked, resets } = threeEndpoints({ b: fails(DEAD) });
    assert.deepEqual([await call(false), await call(false)], ["c", "c"]);
    assert.deepEqual([asked, resets], [["b", "c", "c"], ["b"]]);
  });

  it("that may be repeated goes to the next after any failure of the connection", async () => {
    const { call, asked } = threeEndpoints({ b: fails(CUT), c: fails(CUT) });
    assert.equal(await call(true), "a");
    assert.deepEqual(asked, ["b", "c", "a"]);
  });

  it("that must not happen twice fails when it may have been sent; the next call goes elsewhere", async () => {
    const { call, asked } = threeEndpoints({ b: fails(CUT) });
    await assert.rejects(call(false), { code: "etcd.unavailable" });
    assert.equal(await call(false), "c");
    assert.deepEqual(asked, ["b", "c"]);
  });

  it("fails at once when etcd has answered", async () => {
    const { call, asked, resets } = threeEndpoints({ b: fails(FULL) });
    await assert.rejects(call(true), /: http:\/\/b:2379: mvcc: database space exceeded$/);
    assert.deepEqual([asked, resets], [["b"], []]);
  });

  it("fails with what each of them had to say, in the order of the list", async () => {
    const { call } = threeEndpoints({ a: fails(CUT), b: fails(DEAD), c: fails(DEAD) });
    const reasons = "http://a:2379: Connection dropped; http://b:2379: nobody there; http://c:2379: nobody there";
    await assert.rejects(call(true), { message: `etcd did not answer (test): ${reasons}` });
  });

  it("fails with the cause first when all of them fail in the TLS handshake, each reason once", async () => {
    const { call } = threeEndpoints({ a: fails(STRANGER), b: fails(STRANGER), c: fails(STRANGER) });
    await assert.rejects(call(true), {
      code: "etcd.handshake",
      message: "self-signed certificate (test, http://a:2379, http://b:2379, http://c:2379)",
    });
    const mixed = threeEndpoints({ a: fails(DEAD), b: fails(STRANGER), c: fails(DEAD) });
    await assert.rejects(mixed.call(true), {
      code: "etcd.unavailable",
      message: /^etcd did not answer .*; http:\/\/b:2379: self-signed certificate; /,
    });
  });

  it("gives each of them five seconds", async () => {
    const clock = createFakeClock();
    const { call, asked } = threeEndpoints({ b: hangs, c: hangs }, clock);
    const answer = call(true);
    await clock.advance(seconds(4.9));
    assert.deepEqual(asked, ["b"]);
    await clock.advance(seconds(0.2));
    assert.deepEqual(asked, ["b", "c"]);
    await clock.advance(seconds(5) as Millis);
    assert.equal(await answer, "a");
    assert.equal(clock.sleepers(), 0);
  });

  it("gives one that has let them pass 20 s from then on, if it takes a connection, until it is quick again", async () => {
    const clock = createFakeClock();
    const slow: Answer = async (signal) => {
      await clock.sleep(seconds(8), signal);
      return "b";
    };
    const answers: Record<string, Answer> = { b: slow, c: fails(DEAD), a: fails(DEAD) };
    const { call, asked, resets } = threeEndpoints(answers, clock);
    const lost = assert.rejects(call(true), /http:\/\/b:2379: no answer within 5 s/);
    await clock.advance(seconds(5));
    await lost;
    const found = call(true);
    await clock.advance(seconds(8));
    assert.equal(await found, "b");
    answers["b"] = async () => "b";
    assert.equal(await call(true), "b");
    assert.deepEqual(asked, ["b", "c", "a", "knock b", "b", "knock b", "b"]);
    assert.deepEqual(resets, ["b slow", "c", "a", "b"]);
  });

  it("does not wait 20 s for one that takes no connection, and says so", async () => {
    const clock = createFakeClock();
    const { call } = threeEndpoints({ b: hangs, c: fails(DEAD), a: fails(DEAD) }, clock, { b: hangs });
    for (const [limit, reason] of [
      [5, /b:2379: no answer within 5 s/],
      [6, /b:2379: no connection within 6 s/],
      [6, /b:2379: no connection within 6 s/],
    ] as const) {
      const lost = assert.rejects(call(true), reason);
      await clock.advance(seconds(limit));
      await lost;
    }
    assert.equal(clock.sleepers(), 0);
  });

  it("begins anew on the same endpoint when its connection is given up, a knock too, if it may be repeated", async () => {
    const clock = createFakeClock();
    const answers: Record<string, Answer> = { b: hangs, c: fails(DEAD), a: fails(DEAD) };
    const knocks: Record<string, Answer> = { b: hangs };
    const { call, asked, resets, giveUp } = threeEndpoints(answers, clock, knocks);
    const lost = assert.rejects(call(true), /no answer within 5 s/);
    await clock.advance(seconds(5));
    await lost;
    const found = call(true);
    await clock.advance(0);
    knocks["b"] = async () => "";
    giveUp();
    await clock.advance(0);
    answers["b"] = async () => "b";
    giveUp();
    assert.equal(await found, "b");
    assert.deepEqual(asked, ["b", "c", "a", "knock b", "knock b", "b", "knock b", "b"]);
    assert.deepEqual(resets, ["b slow", "c", "a", "b"]);
    assert.equal(clock.sleepers(), 0);
  });

  it("that must not happen twice fails at once when its connection is given up, and the endpoint is not to blame", async () => {
    const clock = createFakeClock();
    const answers: Record<string, Answer> = { b: hangs };
    const { call, asked, resets, giveUp } = threeEndpoints(answers, clock);
    const lost = call(false);
    await clock.advance(0);
    giveUp();
    await assert.rejects(lost, { code: "etcd.unavailable", message: /b:2379: the connection was given up/ });
    answers["b"] = async () => "b";
    giveUp();
    assert.equal(await call(false), "b");
    assert.deepEqual([asked, resets], [["b", "b"], []]);
  });

  it("adds to the reason what is to be done about it", async () => {
    const advise = (_: unknown, reason: string) => `${reason}; do something`;
    const { call } = threeEndpoints({ b: fails(FULL) }, createFakeClock(), {}, advise);
    await assert.rejects(call(true), { code: "etcd.full", message: /exceeded; do something$/ });
  });

  it("ends with the signal's reason, and asks nobody else", async () => {
    const controller = new AbortController();
    const { call, asked, resets } = threeEndpoints({
      b: () => {
        controller.abort(new Error("enough"));
        return Promise.reject(CUT);
      },
    });
    await assert.rejects(call(true, controller.signal), /enough/);
    assert.deepEqual([asked, resets], [["b"], []]);
  });

  it("lets a mistake of ours through as it is", async () => {
    const { call, asked } = threeEndpoints({ b: fails(new TypeError("undefined is not a function")) });
    await assert.rejects(call(true), TypeError);
    assert.deepEqual(asked, ["b"]);
  });
});
