import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { StatusEvent } from "../../../src/status/events.ts";
import type { PublicStatus } from "../../../src/status/report.ts";
import { askInterval, createHostBook } from "../../../src/web/host-book.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import { HOSTS, statusOf } from "../../support/overlay-facts.ts";
import { PROCESS, snapshotOf } from "../../support/snapshots.ts";

const { signal } = new AbortController();
const [[SUBNET, IP]] = HOSTS;

interface Host {
  status: unknown;
  events: readonly StatusEvent[];
}

function openBook() {
  const clock = createFakeClock();
  const asked: string[] = [];
  const hosts = new Map<string, Host>();
  let running = 0;
  let most = 0;
  const askHost = async (ip: string, path: string) => {
    asked.push(`${ip} ${path}`);
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    const host = hosts.get(ip);
    if (!host) throw new Error("no answer within 2 s");
    const after = Number(/after=(\d+)/.exec(path)?.[1] ?? 0);
    return path.startsWith("/events") ? { events: host.events.filter(({ seq }) => seq > after) } : host.status;
  };
  const deps = { askHost, clock, random: createSeededRandom(1), prefix: "/coreos.com/network/" };
  const book = createHostBook(deps);
  return { book, clock, asked, hosts, mostAtOnce: () => most };
}

function tellingEvents(recorded: number, started = PROCESS.started): Host {
  const status = { ...statusOf(SUBNET), events: { recorded, kept: recorded }, process: { ...PROCESS, started } };
  const events = Array.from({ length: recorded }, (_, index) => ({
    ...{ seq: index + 1, at: `${started}`, level: "info" as const, kind: `event ${index + 1}`, fields: {} },
  }));
  return { status, events };
}

/** `second`: when it has counted. */
function carrying(receivedBytes: number, second: number, name = "flannel.1"): Host {
  const device = snapshotOf().device;
  assert.ok(device);
  const traffic = { ...device.traffic, receivedBytes };
  const at = new Date(Date.UTC(2026, 2, 1, 13, 0, second)).toISOString();
  return { ...tellingEvents(0), status: { ...statusOf(SUBNET), at, device: { ...device, name, traffic } } };
}

describe("a host book", () => {
  it("asks each host when it is due and not before", async () => {
    const { book, clock, asked, hosts } = openBook();
    hosts.set(IP, tellingEvents(0));
    assert.equal(await book.ask([IP], signal), 1);
    assert.equal(await book.ask([IP], signal), 0);
    assert.deepEqual(asked, [`${IP} /status`]);
    await clock.advance(askInterval(1));
    await book.ask([IP], signal);
    assert.equal(asked.length, 2);
  });

  it("asks few at a time, of a large network only for the peers in trouble, and less often", async () => {
    const { book, asked, hosts, mostAtOnce } = openBook();
    const many = Array.from({ length: 500 }, (_, n) => `172.16.${n >> 8}.${n & 255}`);
    for (const ip of many) hosts.set(ip, tellingEvents(0));
    await book.ask(many, signal);
    assert.equal(asked.length, 500);
    assert.ok(asked.every((one) => one.endsWith("/status?peers=troubled")));
    assert.equal(mostAtOnce(), 32);
    assert.deepEqual([askInterval(3), askInterval(1000), askInterval(10_000)], [2000, 10_000, 15_000]);
  });

  it("asks a host that does not answer less and less often, keeps what it said, and hears it again", async () => {
    const { book, clock, asked, hosts } = openBook();
    hosts.set(IP, tellingEvents(0));
    await book.ask([IP], signal);
    hosts.delete(IP);
    const look = async (millis: number) => {
      for (let passed = 0; passed < millis; passed += 500) {
        await clock.advance(500);
        await book.ask([IP], signal);
      }
    };
    await look(10_000);
    const early = asked.length;
    assert.deepEqual(
      [book.answers().get(IP)?.trouble, book.answers().get(IP)?.status?.state],
      ["no answer within 2 s", "ready"],
    );
    await look(600_000);
    assert.ok(asked.length - early <= 18, `${asked.length - early} questions in ten minutes`);
    hosts.set(IP, tellingEvents(0));
    await look(60_000);
    assert.equal(book.answers().get(IP)?.trouble, null);
  });

  it("asks for events only when there are some, and for each once, also after the daemon's restart", async () => {
    const { book, clock, asked, hosts } = openBook();
    const kinds = () =>
      book
        .answers()
        .get(IP)
        ?.events.map(({ kind }) => kind);
    const askAgain = async (host: Host) => {
      hosts.set(IP, host);
      await clock.advance(askInterval(1));
      await book.ask([IP], signal);
    };
    await askAgain(tellingEvents(52));
    assert.equal(kinds()?.[0], "event 3");
    await askAgain(tellingEvents(53));
    assert.deepEqual(kinds()?.slice(-2), ["event 52", "event 53"]);
    const before = asked.length;
    await askAgain(tellingEvents(53));
    assert.equal(asked.length, before + 1);
    await askAgain(tellingEvents(2, "2026-03-01T14:00:00.000Z"));
    assert.deepEqual(kinds()?.slice(-3), ["event 53", "event 1", "event 2"]);
    await askAgain(tellingEvents(3, "2026-03-01T14:00:00.000Z"));
    assert.deepEqual(kinds()?.slice(-3), ["event 1", "event 2", "event 3"]);
  });

  it("tells traffic as bytes per second, and none when the device is another", async () => {
    const { book, clock, hosts } = openBook();
    const receiving = async (host: Host) => {
      hosts.set(IP, host);
      await book.ask([IP], signal);
      await clock.advance(2000);
      return book
        .answers()
        .get(IP)
        ?.rates.map((rate) => rate.receiving);
    };
    assert.deepEqual(await receiving(carrying(1000, 0)), []);
    assert.deepEqual(await receiving(carrying(5000, 2)), [2000]);
    assert.deepEqual(await receiving(carrying(5000, 4)), [2000, 0]);
    assert.deepEqual(await receiving(carrying(100, 6)), []);
    assert.deepEqual(await receiving(carrying(300, 8, "flannel.2")), []);
  });

  it("reckons with the moments at which the host has counted, and not with an answer that it had before", async () => {
    const { book, clock, hosts } = openBook();
    const answers = [carrying(0, 0), carrying(1000, 1), carrying(1000, 1), carrying(5000, 5)];
    for (const host of answers) {
      hosts.set(IP, host);
      await book.ask([IP], signal);
      await clock.advance(2000);
    }
    const rates = book.answers().get(IP)?.rates ?? [];
    assert.deepEqual(
      rates.map(({ receiving }) => receiving),
      [1000, 1000],
    );
  });

  it("forgets hosts that have no lease any more", async () => {
    const { book, hosts } = openBook();
    hosts.set(IP, tellingEvents(0));
    await book.ask([IP], signal);
    await book.ask([], signal);
    assert.equal(book.answers().size, 0);
  });

  it("takes nothing for a snapshot that is none, nor that of another network", async () => {
    const foreign = { ...(snapshotOf().network as NonNullable<PublicStatus["network"]>), prefix: "/other" };
    const { device, ...deviceless } = statusOf(SUBNET);
    const { lease } = deviceless;
    assert.ok(device);
    const cases: readonly (readonly [unknown, RegExp])[] = [
      [null, /is no flanneld/],
      ["ready", /is no flanneld/],
      [{ ...statusOf(SUBNET), schema: 2 }, /is no flanneld/],
      [{ ...statusOf(SUBNET), peers: null }, /is no flanneld/],
      [{ ...statusOf(SUBNET), peers: [3] }, /is no flanneld/],
      [{ ...deviceless, device: { traffic: {} } }, /is no flanneld/],
      [{ ...statusOf(SUBNET), lease: { ...lease, expires: "soon" } }, /is no flanneld/],
      [{ ...statusOf(SUBNET), lease: { subnet: SUBNET } }, /is no flanneld/],
      [{ ...statusOf(SUBNET), network: foreign }, /carries another network, \/other/],
    ];
    for (const [status, reason] of cases) {
      const { book, hosts } = openBook();
      hosts.set(IP, { status, events: [] });
      await book.ask([IP], signal);
      assert.match(book.answers().get(IP)?.trouble ?? "", reason, JSON.stringify(status));
    }
  });
});
