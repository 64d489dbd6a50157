// What whoever pings relies on. Runs on the real one in network namespaces, and on the fake.

import assert from "node:assert/strict";
import { it } from "node:test";
import { millis, seconds } from "../../src/base/brand.ts";
import type { Ip } from "../../src/base/ip.ts";
import type { Pinger, PingOutcome } from "../../src/icmp/pinger.ts";

export interface PingerFixture {
  readonly pinger: Pinger;
  /** Answers; the device has an MTU of 1500. */
  readonly near: Ip;
  readonly near6: Ip;
  /** Behind a router that can pass on 1400 bytes, and says so. */
  readonly narrow: Ip;
  readonly router: string;
  /** Packets of more than 1400 bytes to it vanish. */
  readonly hole: Ip;
  /** Nobody has it, and nobody says so. */
  readonly dead: Ip;
  /** Waits for what takes time. */
  readonly wait: <T>(work: Promise<T>) => Promise<T>;
}

const LIMIT = seconds(10);
const SHORT = millis(200);

export function pingerContract(fixture: () => PingerFixture): void {
  const ping = (to: Ip, size: number, limit = LIMIT): Promise<PingOutcome> => {
    const { pinger, wait } = fixture();
    return wait(pinger.ping(to, size, limit, new AbortController().signal));
  };

  it("says how long an answer took, of either family", async () => {
    for (const to of [fixture().near, fixture().near6]) {
      const outcome = await ping(to, 84);
      assert.equal(outcome.kind, "reply", to);
      assert.ok(outcome.kind === "reply" && outcome.rtt >= 0 && outcome.rtt < LIMIT);
    }
  });

  it("sends up to what the device sends, and tells more from what the path carries", async () => {
    for (const to of [fixture().near, fixture().near6]) {
      assert.equal((await ping(to, 1500)).kind, "reply", to);
      assert.deepEqual(await ping(to, 1501), { kind: "too-big", mtu: null, from: null }, to);
    }
  });

  it("hears the router that cannot pass it on", async () => {
    const { narrow, router } = fixture();
    assert.equal((await ping(narrow, 1400)).kind, "reply");
    for (let repeated = 0; repeated < 3; repeated++) {
      assert.deepEqual(await ping(narrow, 1401), { kind: "too-big", mtu: 1400, from: router });
    }
    assert.equal((await ping(narrow, 1400)).kind, "reply");
  });

  it("calls silent what vanishes", async () => {
    const { hole, dead } = fixture();
    assert.equal((await ping(hole, 1400)).kind, "reply");
    assert.deepEqual(await ping(hole, 1401, SHORT), { kind: "silent" });
    assert.deepEqual(await ping(dead, 84, SHORT), { kind: "silent" });
  });

  it("keeps many at once apart", async () => {
    const { near, hole, dead, narrow, router } = fixture();
    const kinds: readonly (readonly [Ip, number, PingOutcome | "reply"])[] = [
      [near, 84, "reply"],
      [dead, 84, { kind: "silent" }],
      [narrow, 1500, { kind: "too-big", mtu: 1400, from: router }],
      [hole, 1500, { kind: "silent" }],
      [near, 1500, "reply"],
    ];
    const all = Array.from({ length: 20 }, () => kinds).flat();
    const { pinger, wait } = fixture();
    const { signal } = new AbortController();
    const outcomes = await wait(Promise.all(all.map(([to, size]) => pinger.ping(to, size, seconds(2), signal))));
    for (const [index, [to, size, expected]] of all.entries()) {
      const outcome = outcomes[index];
      assert.deepEqual(outcome?.kind === "reply" ? "reply" : outcome, expected, `${to} ${size}`);
    }
  });

  it("ends at once when it is aborted", async () => {
    const { pinger, dead } = fixture();
    const controller = new AbortController();
    const reason = new Error("enough");
    const running = pinger.ping(dead, 84, LIMIT, controller.signal);
    controller.abort(reason);
    await assert.rejects(running, (error) => error === reason);
  });
}
