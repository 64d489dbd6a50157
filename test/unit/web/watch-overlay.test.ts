import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FlannelError } from "../../../src/base/errors.ts";
import type { StoreLook } from "../../../src/web/facts.ts";
import { createHostBook } from "../../../src/web/host-book.ts";
import type { Overlay } from "../../../src/web/overlay.ts";
import { createOverlayWatch } from "../../../src/web/watch-overlay.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import { HOSTS, lookOf, statusOf } from "../../support/overlay-facts.ts";

function openWatch() {
  const clock = createFakeClock();
  const random = createSeededRandom(1);
  const prefix = "/coreos.com/network";
  const silent = new Set<string>();
  /** By public IP: what such a host answers. */
  const odd = new Map<string, unknown>();
  const world = { look: lookOf(), outage: null as string | null, looks: 0, questions: 0 };
  const askHost = async (ip: string, path: string) => {
    world.questions += 1;
    if (silent.has(ip)) throw new Error("no answer");
    const [subnet] = HOSTS.find(([, other]) => other === ip) ?? [""];
    return path.startsWith("/events") ? { events: [] } : (odd.get(ip) ?? statusOf(subnet));
  };
  const lookAtStore = async (): Promise<StoreLook> => {
    world.looks += 1;
    if (world.outage) throw new FlannelError("etcd.unavailable", { op: "reading", reason: world.outage });
    return world.look;
  };
  const book = createHostBook({ askHost, clock, random, prefix });
  const watch = createOverlayWatch({ lookAtStore, book, prefix, clock, random });
  const controller = new AbortController();
  const seen: Overlay[] = [];
  watch.onChange((overlay) => void seen.push(overlay));
  const done = watch.run(controller.signal);
  const stop = async () => {
    controller.abort();
    await done;
  };
  return { watch, clock, world, silent, odd, seen, done, stop, signal: controller.signal };
}

describe("an overlay watch", () => {
  it("asks nobody while nobody looks, and stops some time after the last look", async () => {
    const { watch, clock, world, stop } = openWatch();
    await clock.advance(60_000);
    assert.deepEqual([world.looks, world.questions], [0, 0]);
    watch.want();
    await clock.advance(60_000);
    assert.ok(world.looks > 5 && world.questions > 20);
    const { looks, questions } = world;
    await clock.advance(600_000);
    assert.deepEqual([world.looks, world.questions], [looks, questions]);
    await stop();
  });

  it("goes on for the others where a host says of its lease what is no moment", async () => {
    const { watch, clock, odd, stop, signal } = openWatch();
    const [[subnet, ip]] = HOSTS;
    odd.set(ip, { ...statusOf(subnet), lease: { subnet, expires: "soon" } });
    watch.want();
    await clock.advance(6000);
    const { counts } = await watch.current(signal);
    assert.deepEqual([counts.ready, counts.unknown], [HOSTS.length - 1, 1]);
    await stop();
  });

  it("has a model as soon as somebody wants one, and the hosts' answers a moment later", async () => {
    const { watch, clock, seen, stop, signal } = openWatch();
    watch.want();
    const first = watch.current(signal);
    await clock.advance(3000);
    assert.equal((await first).hosts.length, 3);
    assert.equal(seen.at(-1)?.counts.ready, 3);
    await stop();
  });

  it("tells of changes and of nothing else", async () => {
    const { watch, clock, world, silent, seen, stop } = openWatch();
    watch.want();
    await clock.advance(10_000);
    // With each answer there is one rate more, until all that are kept are there; without one there is nothing to tell.
    const [[, ip]] = HOSTS;
    for (const [, other] of HOSTS) silent.add(other);
    await clock.advance(10_000);
    assert.equal(seen.at(-1)?.counts.unknown, 3);
    const count = seen.length;
    await clock.advance(10_000);
    assert.equal(seen.length, count);
    world.look = lookOf({ leases: lookOf().leases.filter(({ lease }) => lease.attrs.publicIp !== ip) });
    await clock.advance(5000);
    assert.equal(seen.length, count + 1);
    assert.equal(seen.at(-1)?.hosts.length, 2);
    await stop();
  });

  it("goes on asking hosts while etcd is away, and says so", async () => {
    const { watch, clock, world, silent, seen, stop } = openWatch();
    watch.want();
    await clock.advance(5000);
    world.outage = "connection refused";
    silent.add(HOSTS[0][1]);
    await clock.advance(10_000);
    assert.match(seen.at(-1)?.store.trouble ?? "", /connection refused/);
    assert.deepEqual([seen.at(-1)?.counts.unknown, seen.at(-1)?.counts.ready], [1, 2]);
    world.outage = null;
    await clock.advance(5000);
    assert.equal(seen.at(-1)?.store.trouble, null);
    await stop();
  });

  it("ends by what is no outage", async () => {
    const { watch, world, clock, done } = openWatch();
    Object.defineProperty(world, "look", {
      get() {
        throw new Error("a bug");
      },
    });
    const ended = assert.rejects(done, /a bug/);
    watch.want();
    await clock.advance(100);
    await ended;
  });
});
