import assert from "node:assert/strict";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { SILENT } from "../../src/base/log.ts";
import { controlClient } from "../../src/control/client.ts";
import { openControl } from "../../src/control/server.ts";
import { keepControl } from "../../src/keep-control.ts";
import { createStatusBoard } from "../../src/status-board.ts";
import { createFakeClock, type FakeClock } from "../fakes/fake-clock.ts";
import { createFakeDesk, type FakeDesk } from "../support/control.ts";

const { signal } = new AbortController();
let directory: string;
let path: string;
let clock: FakeClock;
let desk: FakeDesk;
const board = createStatusBoard(() => {});

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flanneld-keep-"));
  path = join(directory, "flanneld.sock");
  clock = createFakeClock();
  desk = createFakeDesk();
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const keep = () => keepControl(path, { open: () => openControl(path, desk), board, clock, log: SILENT });
const reload = () => controlClient.ask(path, { method: "POST", url: "/reload" }, signal);
const trouble = () => board.readiness().degraded.find(({ name }) => name === "control-socket")?.reason ?? null;

/** The next look is over when the one after it is waited for. */
async function look(): Promise<void> {
  await clock.advance(15_000);
  while (clock.sleepers() === 0) await new Promise((resolve) => setImmediate(resolve));
}

describe("keepControl()", { timeout: 30_000 }, () => {
  it("makes a socket again that somebody has deleted or replaced", async () => {
    await using _kept = await keep();
    await rm(path);
    await look();
    await reload();
    await rename(path, join(directory, "moved"));
    const other = createFakeDesk();
    {
      await using _other = await openControl(path, other);
      await look();
      await reload();
      assert.equal(other.reloads, 1, "another's socket stays");
      assert.match(trouble() ?? "", /another process listens there/);
    }
    await look();
    await reload();
    assert.deepEqual([desk.reloads, trouble()], [2, null]);
  });

  it("tries again for one that it could not have, and is degraded meanwhile", async () => {
    await writeFile(path, "mine");
    await using _kept = await keep();
    assert.match(trouble() ?? "", /no socket is there/);
    await look();
    assert.match(trouble() ?? "", /no socket is there/);
    await rm(path);
    await look();
    assert.equal(trouble(), null);
    await reload();
  });
});
