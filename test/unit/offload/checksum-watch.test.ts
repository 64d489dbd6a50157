import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FlannelError } from "../../../src/base/errors.ts";
import type { ChecksumPath } from "../../../src/net/checksum-path.ts";
import type { NetObject } from "../../../src/net/objects.ts";
import { createChecksumWatch } from "../../../src/offload/checksum-watch.ts";
import { createCapturedLog } from "../../fakes/captured-log.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { createFakeKernel } from "../../fakes/fake-kernel.ts";
import { createFakePackets, type Fate, type SentProbe } from "../../fakes/fake-packet-socket.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import { checksumPathTo } from "../../support/checksum-path.ts";
import { bareHost, planFor, SELF, underlayAt } from "../../support/vxlan-host.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const UNDERLAY = underlayAt("192.168.64.2");
const ELSEWHERE: ChecksumPath = { ...checksumPathTo("10.5.20.0"), underlay: underlayAt("192.168.64.9") };

const BROKEN = ({ isLeft }: SentProbe): Fate => (isLeft ? "lost" : "refused");
const GOOD = (): Fate => "refused";
const DEAD = (): Fate => "lost";

function start(first: (probe: SentProbe) => Fate) {
  const clock = createFakeClock();
  const log = createCapturedLog();
  const stop = new AbortController();
  let isReady = Promise.resolve();
  const host = {
    fate: first,
    changes: 0,
    letGo: () => {},
    holdBack() {
      isReady = new Promise((resolve) => {
        host.letGo = resolve;
      });
    },
  };
  const packets = createFakePackets((probe) => host.fate(probe));
  const kernel = createFakeKernel(bareHost(SELF.attrs.publicIp));
  const [device] = planFor([]).want as [NetObject];
  kernel.externally([{ op: "create", object: device }]);
  const setOffload = (on: boolean) => {
    const object = { ...device, checksumOffload: on } as NetObject;
    kernel.externally([{ op: "replace", object, previous: device }]);
  };
  const onChange = () => {
    host.changes += 1;
  };
  const deps = { openPacketSocket: packets.open, kernel, clock, random: createSeededRandom(1), log, onChange };
  const watch = createChecksumWatch(deps);
  const running = watch
    .run(() => isReady, stop.signal)
    .catch((error: unknown) => {
      if (!stop.signal.aborted) throw error;
    });
  return {
    clock,
    log,
    watch,
    host,
    packets,
    setOffload,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}

describe("the watch over checksums", () => {
  it("measures as soon as there is a peer, and says once that they arrive intact", async () => {
    await using run = start(GOOD);
    run.watch.follow(checksumPathTo());
    await run.clock.advance(HOUR);
    assert.equal(run.packets.sent.length, 0);
    run.watch.follow(checksumPathTo("10.5.20.0"));
    await run.clock.advance(2000);
    assert.equal(run.watch.verdict(), "intact");
    assert.equal(run.watch.offload(UNDERLAY), null);
    assert.equal(run.watch.note(), null);
    await run.clock.advance(24 * HOUR);
    assert.deepEqual(run.log.messages(), ["checksums left to the network card arrive intact"]);
  });

  it("measures again at long intervals and with the first peer after none, not with each one that comes", async () => {
    await using run = start(GOOD);
    run.watch.follow(checksumPathTo("10.5.20.0"));
    await run.clock.advance(MINUTE);
    for (let number = 21; number < 40; number += 1) {
      run.watch.follow(checksumPathTo("10.5.20.0", `10.5.${number}.0`));
      await run.clock.advance(MINUTE);
    }
    assert.equal(run.packets.sent.length, 2);
    run.watch.follow(checksumPathTo());
    await run.clock.advance(MINUTE);
    run.watch.follow(checksumPathTo("10.5.20.0"));
    await run.clock.advance(MINUTE);
    assert.equal(run.packets.sent.length, 4);
    await run.clock.advance(6 * HOUR);
    assert.ok(run.packets.sent.length >= 6);
  });

  it("says once, as a warning with what to do, that they arrive wrong, and that the plan is to be made anew", async () => {
    await using run = start(BROKEN);
    run.watch.follow(checksumPathTo("10.5.20.0", "10.5.30.0"));
    await run.clock.advance(10_000);
    assert.equal(run.watch.offload(UNDERLAY), false);
    assert.equal(run.host.changes, 1);
    assert.match(run.watch.note() ?? "", /checksum offload off/);
    const [line] = run.log.lines;
    assert.equal(line?.level, "warn");
    assert.match(line?.fields.peer ?? "", /10\.5\.20\.0/);
    assert.match(line?.fields.hint ?? "", /"Offload": "off"/);
  });

  it("does not measure again what is got around, whatever peers come", async () => {
    await using run = start(BROKEN);
    run.watch.follow(checksumPathTo("10.5.20.0"));
    await run.clock.advance(10_000);
    const { length } = run.packets.sent;
    run.watch.follow(checksumPathTo("10.5.20.0", "10.5.30.0"));
    await run.clock.advance(48 * HOUR);
    assert.equal(run.packets.sent.length, length);
    assert.equal(run.log.lines.length, 1);
  });

  it("begins anew on another underlay, of which nothing is known before it is measured", async () => {
    await using run = start(BROKEN);
    run.watch.follow(checksumPathTo("10.5.20.0"));
    await run.clock.advance(10_000);
    assert.equal(run.watch.offload(ELSEWHERE.underlay), null);
    run.host.fate = GOOD;
    run.watch.follow(ELSEWHERE);
    assert.equal(run.watch.offload(ELSEWHERE.underlay), null);
    await run.clock.advance(10_000);
    assert.equal(run.watch.verdict(), "intact");
  });

  it("drops what it has measured on an underlay that is gone meanwhile", async () => {
    await using run = start(BROKEN);
    run.watch.follow(checksumPathTo("10.5.20.0"));
    await run.clock.advance(3000);
    run.host.fate = DEAD;
    run.watch.follow({ ...ELSEWHERE, peers: [] });
    await run.clock.advance(10_000);
    assert.equal(run.watch.verdict(), "unknown");
  });

  it("forgets when the config does not ask any more", async () => {
    await using run = start(BROKEN);
    run.watch.follow(checksumPathTo("10.5.20.0"));
    await run.clock.advance(10_000);
    run.watch.follow(null);
    assert.equal(run.watch.offload(UNDERLAY), null);
    run.watch.follow(checksumPathTo("10.5.20.0"));
    await run.clock.advance(20_000);
    assert.equal(run.watch.offload(UNDERLAY), false);
    assert.equal(run.log.messages("warn").length, 2);
  });

  it("leaves an offload alone that is off already, and measures once somebody has switched it on", async () => {
    await using run = start(BROKEN);
    run.setOffload(false);
    run.watch.follow(checksumPathTo("10.5.20.0"));
    await run.clock.advance(HOUR);
    assert.equal(run.packets.sent.length, 0);
    assert.equal(run.watch.offload(UNDERLAY), null);
    assert.equal(run.log.lines.length, 1);
    run.setOffload(true);
    await run.clock.advance(6 * MINUTE);
    assert.equal(run.watch.offload(UNDERLAY), false);
  });

  it("switches on what only the config had switched off, measures it then, and keeps it where checksums arrive intact", async () => {
    await using run = start(GOOD);
    run.setOffload(false);
    run.watch.follow("off");
    await run.clock.advance(HOUR);
    assert.equal(run.host.changes, 0);
    run.watch.follow(checksumPathTo("10.5.20.0"));
    assert.equal(run.watch.offload(UNDERLAY), true);
    assert.equal(run.host.changes, 1, "the plan is to be made anew");
    await run.clock.advance(5000);
    assert.deepEqual([run.packets.sent.length, run.watch.offload(UNDERLAY)], [0, true], "the device is not on yet");
    run.setOffload(true);
    await run.clock.advance(MINUTE);
    assert.equal(run.watch.verdict(), "intact");
    assert.equal(run.watch.offload(UNDERLAY), null);
    run.setOffload(false);
    await run.clock.advance(12 * HOUR);
    assert.equal(run.watch.offload(UNDERLAY), null, "what an administrator switches off is left alone");
  });

  it("switches off again what it has switched on and seen to do harm, and not on again for that", async () => {
    await using run = start(BROKEN);
    run.watch.follow("off");
    run.watch.follow(checksumPathTo("10.5.20.0"));
    assert.equal(run.watch.offload(UNDERLAY), true);
    await run.clock.advance(20_000);
    assert.equal(run.watch.offload(UNDERLAY), false);
    const { length } = run.packets.sent;
    run.watch.follow("off");
    assert.equal(run.watch.note(), null, "the config has done it now");
    run.watch.follow(checksumPathTo("10.5.20.0"));
    await run.clock.advance(HOUR);
    assert.deepEqual([run.watch.offload(UNDERLAY), run.packets.sent.length], [false, length]);
    assert.equal(run.log.messages("warn").length, 1);
    run.watch.follow("off");
    run.watch.follow(ELSEWHERE);
    assert.equal(run.watch.offload(ELSEWHERE.underlay), true);
  });

  it("owes nothing to a config that says off again, or on", async () => {
    await using run = start(GOOD);
    for (const next of ["off", null] as const) {
      run.watch.follow("off");
      run.watch.follow(checksumPathTo("10.5.20.0"));
      assert.equal(run.watch.offload(UNDERLAY), true);
      run.watch.follow(next);
      assert.equal(run.watch.offload(UNDERLAY), null);
    }
    run.watch.follow(checksumPathTo("10.5.20.0"));
    assert.equal(run.watch.offload(UNDERLAY), null);
  });

  it("says once, and not of a host that comes up late, that nobody answers, and asks ever less often", async () => {
    await using run = start(DEAD);
    run.watch.follow(checksumPathTo("10.5.20.0"));
    await run.clock.advance(15_000);
    assert.deepEqual(run.log.messages(), []);
    await run.clock.advance(24 * HOUR);
    assert.deepEqual(run.log.messages(), ["cannot measure whether checksums left to the network card arrive intact"]);
    assert.ok(run.packets.sent.length < 60 * 6, `${run.packets.sent.length} packets in a day`);
    run.host.fate = GOOD;
    run.watch.follow(checksumPathTo("10.5.20.0", "10.5.30.0"));
    await run.clock.advance(10_000);
    assert.equal(run.watch.verdict(), "intact");
  });

  it("asks a first peer soon again that does not know us yet, however long there was none", async () => {
    await using run = start(DEAD);
    run.watch.follow(checksumPathTo());
    await run.clock.advance(24 * HOUR);
    run.watch.follow(checksumPathTo("10.5.20.0"));
    await run.clock.advance(5000);
    run.host.fate = GOOD;
    await run.clock.advance(20_000);
    assert.equal(run.watch.verdict(), "intact");
  });

  it("takes a fault of its own for one", async () => {
    const clock = createFakeClock();
    const broken = new FlannelError("netlink.malformed", { what: "nonsense", offset: 0 });
    const kernel = { read: () => Promise.reject(broken) };
    const deps = {
      openPacketSocket: createFakePackets(GOOD).open,
      clock,
      random: createSeededRandom(1),
      log: createCapturedLog(),
    };
    const watch = createChecksumWatch({ ...deps, kernel, onChange: () => {} });
    const running = assert.rejects(
      watch.run(() => Promise.resolve(), new AbortController().signal),
      broken,
    );
    watch.follow(checksumPathTo("10.5.20.0"));
    await clock.advance(2000);
    await running;
  });

  it("waits for the device", async () => {
    await using run = start(GOOD);
    run.host.holdBack();
    run.watch.follow(checksumPathTo("10.5.20.0"));
    await run.clock.advance(MINUTE);
    assert.equal(run.packets.sent.length, 0);
    run.host.letGo();
    await run.clock.advance(MINUTE);
    assert.equal(run.watch.verdict(), "intact");
  });

  it("tells why no packet can be sent, and goes on", async () => {
    await using run = start(() => {
      throw Object.assign(new Error("sending a frame: Network is down"), { code: "ENETDOWN" });
    });
    run.watch.follow(checksumPathTo("10.5.20.0"));
    await run.clock.advance(5 * MINUTE);
    assert.equal(run.log.lines[0]?.fields.reason, "sending a frame: Network is down");
    run.host.fate = GOOD;
    await run.clock.advance(HOUR);
    assert.equal(run.watch.verdict(), "intact");
  });
});
