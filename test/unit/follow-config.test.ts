import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createConfigFollower } from "../../src/follow-config.ts";
import { readOverlay } from "../../src/overlay.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
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
  const follower = createConfigFollower(readOverlay(FIRST, KEY), KEY, { store, log, self: () => self, onChange });
  const running = follower.run(stop.signal);
  return {
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
});
