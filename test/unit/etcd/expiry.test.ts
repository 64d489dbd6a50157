import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EpochMillis } from "../../../src/base/brand.ts";
import { createExpiryWarnings, stageOf } from "../../../src/etcd/expiry.ts";
import type { CertificateExpiry } from "../../../src/subnet/lease-store.ts";
import { createCapturedLog } from "../../fakes/captured-log.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function at(days: number): EpochMillis {
  return (createFakeClock().now() + days * DAY) as EpochMillis;
}

describe("stageOf()", () => {
  const now = at(0);
  for (const [days, stage] of [
    [31, null],
    [30, 30],
    [8, 30],
    [7, 7],
    [1.5, 7],
    [1, 1],
    [0.1, 1],
    [0, 0],
    [-5, 0],
  ] as const) {
    it(`is ${stage} with ${days} days left`, () => assert.equal(stageOf(at(days), now), stage));
  }
});

describe("warnings about certificates", () => {
  const client: CertificateExpiry = {
    whose: "client",
    name: "the client certificate",
    begins: at(-1),
    expires: at(40),
  };
  const server: CertificateExpiry = {
    whose: "server",
    name: "the server's certificate",
    begins: at(-1),
    expires: at(400),
  };

  it("are given 30, 7 and 1 days before the end, and an error after it, each once, to the day", async () => {
    const clock = createFakeClock();
    const log = createCapturedLog();
    const told: (readonly [number, string, number | undefined])[] = [];
    const warn = createExpiryWarnings({ clock, log });
    for (let hour = 0; hour < 45 * 24; hour++) {
      const before = log.lines.length;
      warn([client, server]);
      for (const { level, fields } of log.lines.slice(before)) told.push([40 - hour / 24, level, fields.days]);
      await clock.advance(HOUR);
    }
    assert.deepEqual(told, [
      [30, "warn", 30],
      [7, "warn", 7],
      [1, "warn", 1],
      [0, "error", undefined],
    ]);
    assert.ok(log.lines.every(({ fields }) => fields.certificate === client.name && fields.hint !== undefined));
  });

  it("are given at once for what is late already, and begin anew with a new certificate", () => {
    const log = createCapturedLog();
    const warn = createExpiryWarnings({ clock: createFakeClock(), log });
    const days = () => log.lines.map(({ level, fields }) => fields.days ?? level);
    warn([{ ...client, expires: at(3) }]);
    warn([{ ...client, expires: at(3) }]);
    assert.deepEqual(days(), [3]);
    warn([{ ...client, expires: at(365) }]);
    assert.deepEqual(days(), [3]);
    warn([{ ...client, expires: at(19.5) }]);
    warn([{ ...client, expires: at(0.1) }]);
    warn([{ ...client, expires: at(-1) }]);
    assert.deepEqual(days(), [3, 20, 1, "error"]);
  });
});
