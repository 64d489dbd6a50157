import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { minutes } from "../../src/base/brand.ts";
import { createConfigFollower } from "../../src/follow-config.ts";
import { readOverlay } from "../../src/overlay.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { leaseOf } from "../support/leases.ts";
import { createScriptedStore } from "../support/scripted-store.ts";

const KEY = "/coreos.com/network/config";
const FIRST = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}';
const LIVE = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","MTU":1400}}';
const RESTART = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","Port":9999}}';

function start() {
  const clock = createFakeClock();
  const store = createScriptedStore({ clock });
  store.setConfig(FIRST);
  const log = createCapturedLog();
  const stop = new AbortController();
  let changes = 0;
  const self = leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.2" });
  const onChange = () => {
    changes += 1;
  };
  const deps = { store, clock, log, random: createSeededRandom(1), self: () => self, onChange };
  const follower = createConfigFollower(readOverlay(FIRST, KEY), { key: KEY, recheck: minutes(20) }, deps);
  const running = follower.run(stop.signal);
  return {
    clock,
    store,
    log,
    follower,
    changes: () => changes,
    put: async (text: string | null) => {
      store.setConfig(text);
      await clock.advance(0);
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}

describe("following the network config", () => {
  it("puts in force what is safe, and says what that was", async () => {
    await using host = start();
    await host.put(LIVE);
    assert.equal(host.follower.overlay().text, LIVE);
    assert.equal(host.follower.trouble(), null);
    assert.deepEqual(host.log.lines.at(-1)?.fields, { key: KEY, changed: "Backend.MTU" });
    assert.ok(host.changes() > 0);
  });

  it("keeps what is in force when a restart is needed, until the config is again that", async () => {
    await using host = start();
    await host.put(RESTART);
    assert.equal(host.follower.overlay().text, FIRST);
    assert.match(host.follower.trouble() ?? "", /restart flanneld to follow Backend\.Port/);
    await host.put(FIRST);
    assert.equal(host.follower.trouble(), null);
    assert.equal(host.log.messages().at(-1), "the network config in etcd is again the one in force");
  });

  it("compares with what is in force, not with what was written last", async () => {
    await using host = start();
    await host.put(RESTART);
    await host.put(LIVE);
    assert.equal(host.follower.overlay().text, LIVE);
    await host.put(FIRST);
    assert.equal(host.follower.overlay().text, FIRST);
  });

  it("keeps what is in force when the config is gone or is none, and when etcd is away", async () => {
    await using host = start();
    for (const text of [null, "{", FIRST]) {
      await host.put(text);
      assert.equal(host.follower.overlay().text, FIRST);
      assert.equal(host.follower.trouble() === null, text === FIRST);
    }
    host.store.disconnect();
    await host.put(LIVE);
    assert.equal(host.follower.overlay().text, FIRST);
    host.store.connect();
    await host.put(LIVE);
    assert.equal(host.follower.overlay().text, LIVE);
  });

  it("finds what the watch has missed, and goes on from there", async () => {
    await using host = start();
    host.store.loseConfig(LIVE);
    await host.clock.advance(minutes(9));
    assert.equal(host.follower.overlay().text, FIRST);
    await host.clock.advance(minutes(13));
    assert.equal(host.follower.overlay().text, LIVE);
    assert.deepEqual(host.log.messages(), [
      "the watch had missed a change of the network config; it is begun anew",
      "the network config has changed and is followed",
    ]);
    await host.put(FIRST);
    assert.equal(host.follower.overlay().text, FIRST);
  });

  it("finds that a change which it was told of has been taken back, and one that nobody can use", async () => {
    await using host = start();
    await host.put(RESTART);
    host.store.loseConfig(FIRST);
    await host.clock.advance(minutes(22));
    assert.equal(host.follower.trouble(), null);
    host.store.loseConfig(null);
    await host.clock.advance(minutes(22));
    assert.match(host.follower.trouble() ?? "", /is gone from etcd/);
    assert.equal(host.follower.overlay().text, FIRST);
  });

  it("asks for the config three to six times an hour, and says nothing while the watch has told all", async () => {
    await using host = start();
    await host.put(LIVE);
    const said = host.log.lines.length;
    await host.clock.advance(minutes(600));
    const asked = host.store.count("networkConfig");
    assert.ok(asked >= 30 && asked <= 60, String(asked));
    assert.equal(host.log.lines.length, said);
  });

  it("leaves an etcd that is away to the watch", async () => {
    await using host = start();
    host.store.disconnect();
    host.store.loseConfig(LIVE);
    await host.clock.advance(minutes(60));
    assert.deepEqual(host.log.messages(), []);
    host.store.connect();
    await host.clock.advance(0);
    assert.equal(host.follower.overlay().text, LIVE);
  });

  it("does not take a watch that is only late for one that has missed something", async () => {
    await using host = start();
    host.store.before((call) => {
      if (call === "networkConfig") host.store.loseConfig(LIVE);
    });
    while (host.store.count("networkConfig") === 0) await host.clock.advance(minutes(1) / 2);
    host.store.before(() => {});
    await host.put(LIVE);
    await host.clock.advance(minutes(2));
    assert.equal(host.follower.overlay().text, LIVE);
    assert.ok(!host.log.messages().some((message) => message.includes("missed")));
  });
});
