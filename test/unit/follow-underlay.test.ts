import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FlannelError } from "../../src/base/errors.ts";
import { type Family, type Ipv4, NO_IPV4 } from "../../src/base/ip.ts";
import { createUnderlayFollower } from "../../src/follow-underlay.ts";
import type { LinkName } from "../../src/net/objects.ts";
import type { Underlay } from "../../src/net/underlay.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
import { createFakeKernel } from "../fakes/fake-kernel.ts";
import { DUAL_UNDERLAY } from "../support/dual-stack.ts";
import { bareHost, ETH0, underlayAt } from "../support/vxlan-host.ts";

const FIRST = underlayAt("192.168.64.2");
const MOVED = underlayAt("192.168.64.3");
const ETH1 = { ...MOVED, link: "eth1" as LinkName };
const SMALL = { ...FIRST, mtu: 1400 };

const DUAL = DUAL_UNDERLAY;
const MOVED4 = { ...DUAL, ...addressed("192.168.64.3"), v6: null };
const MOVED6 = {
  ...DUAL,
  ...addressed(NO_IPV4),
  v6: { ...DUAL.v6, address: "fd77::53", publicIp: "fd77::53" },
} as Underlay;

function addressed(ip: string) {
  return { address: ip as Ipv4, publicIp: ip as Ipv4 };
}

function start(first: Underlay = FIRST) {
  const clock = createFakeClock();
  const log = createCapturedLog();
  const kernel = createFakeKernel(bareHost("192.168.64.2"));
  const stop = new AbortController();
  let choice: Underlay | null = first;
  let parts: Partial<Record<Family, Underlay>> = {};
  let objection: () => string | null = () => null;
  let changes = 0;
  let looks = 0;
  let moves = 0;
  const follower = createUnderlayFollower(first, {
    kernel,
    clock,
    log,
    async choose() {
      looks += 1;
      if (choice) return { ...choice };
      throw new FlannelError("interface.not-found", { reason: "eth0 is gone", existing: [] });
    },
    async chooseOf(family) {
      const part = parts[family];
      if (part) return { ...part };
      throw new FlannelError("interface.not-found", { reason: `eth0 has no ${family}`, existing: [] });
    },
    objection: async () => objection(),
    onMove: () => {
      moves += 1;
    },
    onChange: () => {
      changes += 1;
    },
  });
  const running = follower.run(stop.signal);
  return {
    clock,
    log,
    follower,
    changes: () => changes,
    looks: () => looks,
    moves: () => moves,
    object(reason: string | null) {
      objection = () => reason;
    },
    objectsAs(next: () => string | null) {
      objection = next;
    },
    /** The objection cannot be told. */
    refuses(error: unknown) {
      objection = () => {
        throw error;
      };
    },
    /** Nobody says so. */
    becomes(next: Underlay) {
      choice = next;
    },
    /** What would be chosen of each family alone. */
    hasParts(next: typeof parts) {
      parts = next;
    },
    /** The kernel says that something has changed. */
    async turns(next: Underlay | null) {
      choice = next;
      kernel.setUp(ETH0, false);
      kernel.setUp(ETH0, true);
      await clock.advance(0);
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}

describe("following the underlay", () => {
  it("puts another address or MTU in force once it has stayed for a second, and says what has changed", async () => {
    await using host = start();
    await host.clock.advance(0);
    await host.turns({ ...MOVED, mtu: 1400 });
    await host.clock.advance(1000);
    assert.equal(host.follower.underlay(), FIRST);
    await host.clock.advance(300);
    assert.equal(host.follower.underlay().publicIp, MOVED.publicIp);
    const told = host.log.lines.filter(({ message }) => message.includes("has changed and is followed"));
    assert.deepEqual(
      told.map(({ fields }) => fields),
      [{ dev: "eth0", mtu: 1400, publicIp: "192.168.64.3", changed: "mtu, address, publicIp" }],
    );
    assert.equal(host.changes(), 1);
    assert.deepEqual(host.follower.former(), []);
  });

  it("keeps the object while nothing has changed, and looks once for a burst of hints", async () => {
    await using host = start();
    await host.clock.advance(0);
    const looks = host.looks();
    for (let n = 0; n < 10; n++) await host.turns(FIRST);
    await host.clock.advance(1000);
    assert.ok(host.looks() - looks <= 2, `${host.looks() - looks} looks`);
    assert.equal(host.follower.underlay(), FIRST);
    assert.equal(host.changes(), 0);
  });

  it("finds within a minute what the kernel has not told", async () => {
    await using host = start();
    await host.clock.advance(0);
    host.becomes(SMALL);
    await host.clock.advance(62_000);
    assert.equal(host.follower.underlay().mtu, 1400);
  });

  it("does not follow what passes: an address that is taken away and given again", async () => {
    await using host = start();
    await host.clock.advance(0);
    await host.turns(MOVED);
    await host.clock.advance(900);
    await host.turns(FIRST);
    await host.clock.advance(10_000);
    assert.equal(host.follower.underlay(), FIRST);
    assert.deepEqual(host.log.lines, []);
  });

  it("waits five seconds before it goes to another interface, and remembers the one that it leaves", async () => {
    await using host = start();
    await host.clock.advance(0);
    await host.turns(ETH1);
    await host.clock.advance(4900);
    assert.equal(host.follower.underlay(), FIRST);
    await host.clock.advance(500);
    assert.equal(host.follower.underlay().link, "eth1");
    assert.deepEqual(host.follower.former(), ["eth0"]);
    await host.turns(FIRST);
    await host.clock.advance(6000);
    assert.deepEqual(host.follower.former(), ["eth1"]);
  });

  it("keeps the last choice while there is none, says so, and says when there is one again", async () => {
    await using host = start();
    await host.clock.advance(0);
    await host.turns(null);
    await host.clock.advance(1000);
    assert.equal(host.follower.underlay(), FIRST);
    assert.match(host.follower.trouble() ?? "", /eth0 is gone/);
    await host.turns(FIRST);
    await host.clock.advance(1000);
    assert.equal(host.follower.trouble(), null);
    assert.deepEqual(host.log.messages(), [
      "the underlay interface is not as it was, and the last choice stays in force",
      "the underlay interface can be used again",
    ]);
    assert.equal(host.changes(), 2);
  });

  it("does not leave an address for one that the host has given itself", async () => {
    await using host = start();
    await host.clock.advance(0);
    await host.turns(underlayAt("169.254.7.7"));
    await host.clock.advance(5000);
    assert.equal(host.follower.underlay(), FIRST);
    assert.match(host.follower.trouble() ?? "", /eth0 has only 169\.254\.7\.7/);
  });

  for (const [what, part, followed] of [
    ["IPv4", { ipv4: MOVED4 }, { ...MOVED4, v6: DUAL.v6 }],
    ["IPv6", { ipv6: MOVED6 }, { ...DUAL, v6: MOVED6.v6 }],
  ] as const) {
    it(`follows ${what} by itself while the other family has no address, and says what is missing`, async () => {
      await using host = start(DUAL);
      await host.clock.advance(0);
      host.hasParts(part);
      await host.turns(null);
      await host.clock.advance(1300);
      assert.deepEqual(host.follower.underlay(), followed);
      assert.match(host.follower.trouble() ?? "", /eth0 is gone/);
      await host.clock.advance(60_000);
      assert.match(host.follower.trouble() ?? "", /eth0 is gone/);
      await host.turns(followed);
      await host.clock.advance(1300);
      assert.deepEqual([host.follower.underlay(), host.follower.trouble()], [followed, null]);
    });
  }

  it("follows one family by itself while the other has only what the host has given itself, and on no other interface", async () => {
    await using host = start(DUAL);
    await host.clock.advance(0);
    const given = { ...MOVED4, v6: { address: "fe80::1", publicIp: "fe80::1", onLink: [] } } as unknown as Underlay;
    host.hasParts({ ipv4: { ...MOVED4, link: "eth1" as LinkName } });
    await host.turns(given);
    await host.clock.advance(6000);
    assert.deepEqual(host.follower.underlay(), DUAL);
    assert.match(host.follower.trouble() ?? "", /eth0 has only fe80::1/);
    host.hasParts({ ipv4: MOVED4 });
    await host.turns(given);
    await host.clock.advance(1300);
    assert.deepEqual(host.follower.underlay(), { ...MOVED4, v6: DUAL.v6 });
    assert.match(host.follower.trouble() ?? "", /eth0 has only fe80::1/);
  });

  it("does not follow what somebody objects to, until the objection is gone", async () => {
    await using host = start();
    await host.clock.advance(0);
    host.object("192.168.64.3 is another's");
    await host.turns(MOVED);
    await host.clock.advance(5000);
    assert.equal(host.follower.underlay(), FIRST);
    assert.equal(host.follower.trouble(), "192.168.64.3 is another's");
    host.object(null);
    host.follower.recheck();
    await host.clock.advance(2000);
    assert.equal(host.follower.underlay().publicIp, "192.168.64.3");
    assert.equal(host.follower.trouble(), null);
  });

  it("tells that the host sends from another address, before that is announced, and also when it must not be", async () => {
    await using host = start();
    await host.clock.advance(0);
    await host.turns(SMALL);
    await host.clock.advance(5000);
    assert.deepEqual([host.changes(), host.moves()], [1, 0]);
    const movesAtObjection: number[] = [];
    host.objectsAs(() => {
      movesAtObjection.push(host.moves());
      return "192.168.64.3 is another's";
    });
    await host.turns(MOVED);
    await host.clock.advance(180_000);
    assert.equal(movesAtObjection[0], 1);
    assert.ok(movesAtObjection.length > 1, "it is looked at again");
    assert.equal(host.moves(), 1);
    await host.turns(SMALL);
    await host.clock.advance(5000);
    assert.equal(host.moves(), 2);
  });

  it("tells of no move while the address comes and goes", async () => {
    await using host = start();
    await host.clock.advance(0);
    for (let n = 0; n < 20; n++) {
      await host.turns(n % 3 === 0 ? MOVED : n % 3 === 1 ? null : FIRST);
      await host.clock.advance(500);
    }
    await host.turns(FIRST);
    await host.clock.advance(5000);
    assert.equal(host.moves(), 0);
  });

  it("keeps the last choice while the kernel will not say whether the next may be followed", async () => {
    await using host = start();
    await host.clock.advance(0);
    const busy = new FlannelError("netlink.errno", { op: "dump links", errno: "EINTR", message: null });
    host.refuses(busy);
    await host.turns(MOVED);
    await host.clock.advance(5000);
    assert.equal(host.follower.underlay(), FIRST);
    assert.equal(host.follower.trouble(), busy.message);
    host.object(null);
    await host.turns(MOVED);
    await host.clock.advance(5000);
    assert.equal(host.follower.underlay().publicIp, "192.168.64.3");
  });
});
