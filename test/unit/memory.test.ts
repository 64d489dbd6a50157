import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createMemory } from "../../src/memory.ts";
import type { Acquired } from "../../src/subnet/acquire-lease.ts";
import type { Revision } from "../../src/subnet/lease.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
import { leaseOf } from "../support/leases.ts";

const OWN = leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.2" });
const CONFIG = '{"Network":"10.5.0.0/16"}';

function acquired(revision: string): Acquired {
  return { lease: OWN, list: { revision: revision as Revision, leases: [OWN], bad: [] }, fresh: true };
}

function start(prefix = "/coreos.com/network") {
  const clock = createFakeClock();
  const log = createCapturedLog();
  const files = new Map<string, string>();
  const stop = new AbortController();
  let [writes, full] = [0, false];
  let current: Acquired | null = acquired("1");
  const state = {
    path: "/var/lib/flannel",
    read: async (name: string) => files.get(name) ?? null,
    write: async (name: string, text: string) => {
      if (full) throw new Error("ENOSPC");
      writes += 1;
      files.set(name, text);
    },
  };
  const memory = createMemory(prefix, { state, clock, log });
  const run = () => memory.run(() => current && { config: CONFIG, acquired: current }, stop.signal).catch(() => {});
  const running = run();
  return {
    clock,
    log,
    files,
    memory,
    writes: () => writes,
    fill: (isFull: boolean) => {
      full = isFull;
    },
    have: (next: Acquired | null) => {
      current = next;
      memory.touch();
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error("stopped"));
      await running;
    },
  };
}

describe("the memory of a host", () => {
  it("recalls what it was last told, and nothing at first", async () => {
    await using host = start();
    assert.equal(await host.memory.recall(), null);
    host.have(acquired("7"));
    await host.clock.advance(3000);
    const recalled = await host.memory.recall();
    assert.equal(recalled?.acquired.list.revision, "7");
    assert.equal(recalled?.acquired.fresh, false);
    assert.equal(recalled?.config, CONFIG);
    assert.deepEqual(host.log.lines, []);
  });

  it("writes at most twice a minute, however often it is touched", async () => {
    await using host = start();
    for (let second = 0; second < 600; second++) {
      host.have(acquired(String(second)));
      await host.clock.advance(1000);
    }
    assert.ok(host.writes() >= 18 && host.writes() <= 22, `${host.writes()} writes in ten minutes`);
  });

  it("writes the first lease at once: the host may be switched off the next moment", async () => {
    await using host = start();
    host.have(acquired("7"));
    await host.clock.advance(0);
    assert.equal((await host.memory.recall())?.acquired.list.revision, "7");
  });

  it("writes a burst of touches once", async () => {
    await using host = start();
    host.have(acquired("6"));
    await host.clock.advance(0);
    for (const revision of ["7", "8", "9"]) {
      host.have(acquired(revision));
      await host.clock.advance(100);
    }
    await host.clock.advance(120_000);
    assert.equal(host.writes(), 2);
    assert.equal((await host.memory.recall())?.acquired.list.revision, "9");
  });

  it("forgets a lease that is another host's now", async () => {
    await using host = start();
    host.have(acquired("7"));
    await host.clock.advance(60_000);
    host.have(null);
    await host.clock.advance(3000);
    assert.equal(await host.memory.recall(), null);
    assert.deepEqual(host.log.lines, []);
  });

  it("forgets at once when it is told to, also while it is writing", async () => {
    await using host = start();
    host.have(acquired("7"));
    await host.clock.advance(2000);
    host.have(null);
    await host.memory.forget();
    assert.equal(await host.memory.recall(), null);
    await host.clock.advance(60_000);
    assert.equal(await host.memory.recall(), null);
  });

  it("writes once that it has forgotten, however often it is told", async () => {
    await using host = start();
    host.have(acquired("7"));
    await host.clock.advance(3000);
    const before = host.writes();
    for (let times = 0; times < 100; times++) await host.memory.forget();
    assert.equal(host.writes(), before + 1);
    host.have(acquired("8"));
    await host.clock.advance(60_000);
    assert.equal((await host.memory.recall())?.acquired.list.revision, "8");
  });

  it("tells once that it cannot write, and writes as soon as it can", async () => {
    await using host = start();
    host.fill(true);
    host.have(acquired("7"));
    await host.clock.advance(50_000);
    assert.deepEqual(host.log.messages(), ["cannot remember the lease for the next start"]);
    host.fill(false);
    await host.clock.advance(60_000);
    assert.equal((await host.memory.recall())?.acquired.list.revision, "7");
  });

  it("says why a file is of no use", async () => {
    await using host = start();
    host.have(acquired("7"));
    await host.clock.advance(3000);
    for (const name of host.files.keys()) host.files.set(name, "what?");
    assert.equal(await host.memory.recall(), null);
    assert.equal(host.log.lines[0]?.fields.reason, "it is damaged");
  });

  it("keeps networks apart, also those whose names look alike", async () => {
    const names = new Set<string>();
    for (const prefix of ["/coreos.com/network", "/coreos.com-network", "coreos.com/network", "/"]) {
      await using host = start(prefix);
      host.have(acquired("7"));
      await host.clock.advance(3000);
      for (const name of host.files.keys()) names.add(name);
    }
    assert.equal(names.size, 4);
  });
});
