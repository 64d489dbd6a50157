import assert from "node:assert/strict";
import { setMaxListeners } from "node:events";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { EtcdServer } from "../../lab/etcd.ts";
import { minutes } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { FlannelError } from "../../src/base/errors.ts";
import type { Revision } from "../../src/subnet/lease.ts";
import { leaseOf } from "../support/leases.ts";
import { type EtcdFixture, openEtcdFixture, openStore, startTestEtcd } from "./etcd-fixture.ts";

const { signal } = new AbortController();
setMaxListeners(0, signal);
const NOBODY = "http://127.0.0.1:1";
const { subnet, attrs } = leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.3" });
let server: EtcdServer;
let fixture: EtcdFixture;

beforeEach(async () => {
  server = await startTestEtcd({ v2: true });
  fixture = await openEtcdFixture(server);
});
afterEach(async () => {
  await fixture?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

async function failureOf(work: Promise<unknown>): Promise<FlannelError> {
  const error = await work.then(
    () => null,
    (error: unknown) => error,
  );
  assert.ok(error instanceof FlannelError, String(error));
  return error;
}

describe("an etcd that is not there", () => {
  it("is an error that says where nobody answered, and not how the program came there", async () => {
    await using store = await openStore({ endpoints: [NOBODY] });
    const error = await failureOf(store.list(signal));
    assert.equal(error.message, "etcd did not answer (listing the leases): connect ECONNREFUSED 127.0.0.1:1");
    assert.equal(error.code, "etcd.unavailable");
  });

  it("costs nothing when another endpoint has one, whatever is asked of it", async () => {
    for (let n = 0; n < 8; n++) {
      await using store = await fixture.openStore({ endpoints: [NOBODY, server.endpoint, "http://127.0.0.1:2"] });
      const outcome = await store.claim(subnet, attrs, minutes(1), signal);
      assert.equal(outcome.kind, n === 0 ? "claimed" : "taken");
      assert.equal((await store.list(signal)).leases.length, 1);
    }
  });

  it("is described in the same words whichever endpoint was asked first", async () => {
    const messages = new Set<string>();
    for (let n = 0; n < 8; n++) {
      await using store = await openStore({ endpoints: [NOBODY, "http://127.0.0.1:2"] });
      messages.add((await failureOf(store.list(signal))).message);
      messages.add((await failureOf(store.list(signal))).message);
    }
    assert.equal(messages.size, 1);
  });

  it("is found again by the first call after it has come back", async () => {
    await fixture.store.list(signal);
    await server.stop();
    await failureOf(fixture.store.list(signal));
    await failureOf(fixture.store.list(signal));
    await server.start();
    await fixture.store.list(signal);
  });
});

describe("an etcd that hangs", () => {
  it("ends every call by its deadline, and answers the first call after it came to life", async () => {
    const held = await fixture.store.claim(subnet, attrs, minutes(1), signal);
    assert.equal(held.kind, "claimed");
    server.freeze();
    const start = systemClock.monotonic();
    const errors = await Promise.all([
      failureOf(fixture.store.networkConfig(signal)),
      failureOf(fixture.store.list(signal)),
      failureOf(fixture.store.get(held.lease.key, signal)),
      failureOf(fixture.store.claim(subnet, attrs, minutes(1), signal)),
      failureOf(fixture.store.renew(held.lease, attrs, minutes(1), signal)),
      failureOf(fixture.store.remove(held.lease, signal)),
      fixture.store.v2NetworkConfig(signal).then((text) => assert.equal(text, null)),
    ]);
    assert.ok(systemClock.monotonic() - start < 8000);
    for (const error of errors) {
      if (error) assert.match(error.message, /http:\/\/127\.0\.0\.1:\d+: no answer within 5 s$/);
    }
    server.thaw();
    await fixture.store.list(signal);
  });

  it("can be turned away from at any moment", async () => {
    await fixture.store.list(signal);
    server.freeze();
    const controller = new AbortController();
    const listing = fixture.store.list(controller.signal);
    const watching = fixture.store.watch("1" as Revision, controller.signal)[Symbol.asyncIterator]();
    const watched = watching.next();
    controller.abort(new Error("enough"));
    await assert.rejects(listing, /enough/);
    assert.equal((await watched).done, true);
    server.thaw();
  });
});

describe("a network config in etcd's v2 store", () => {
  const putV2 = (path: string, value: string) =>
    fetch(`${server.endpoint}/v2/keys${path}`, { method: "PUT", body: new URLSearchParams({ value }) });

  it("is found at the same key, also behind an endpoint that is dead", async () => {
    const text = '{ "Network": "10.5.0.0/16" }';
    assert.equal(await fixture.store.v2NetworkConfig(signal), null);
    assert.ok((await putV2(`${fixture.prefix}/config`, text)).ok);
    assert.equal(await fixture.store.networkConfig(signal), null);
    assert.equal(await fixture.store.v2NetworkConfig(signal), text);
    await using other = await fixture.openStore({
      endpoints: [NOBODY, server.endpoint],
      prefix: fixture.prefix.slice(1),
    });
    assert.equal(await other.v2NetworkConfig(signal), text);
  });

  it("is none where that API is off, or a directory is in its place", async () => {
    assert.ok((await putV2(`${fixture.prefix}/config/inner`, "x")).ok);
    assert.equal(await fixture.store.v2NetworkConfig(signal), null);
    await using plain = await startTestEtcd();
    await using store = await openStore({ endpoints: [plain.endpoint] });
    assert.equal(await store.v2NetworkConfig(signal), null);
  });
});
