import assert from "node:assert/strict";
import { setMaxListeners } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Etcd3 } from "etcd3";
import type { EtcdServer } from "../../lab/etcd.ts";
import { run } from "../../lab/run.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { OpenLeaseStore, StoreEvent } from "../../src/subnet/lease-store.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { openTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { openStore, startTestEtcd } from "./etcd-fixture.ts";

const { signal } = new AbortController();
setMaxListeners(0, signal);
const LIMIT = seconds(20);
const SUBNETS = "/coreos.com/network/subnets";
const auth = { username: "flannel", password: "s3cret" };
const ROOT = { username: "root", password: "root" };

describe("authentication that changes while a watch runs", () => {
  let server: EtcdServer;
  let proxy: TcpProxy;
  let admin: Etcd3;
  let store: OpenLeaseStore;
  let controller: AbortController;
  let events: AsyncIterator<StoreEvent>;

  const open = async (flags: readonly string[] = []) => {
    server = await startTestEtcd({ flags });
    proxy = await openTcpProxy({ host: "127.0.0.1", port: Number(new URL(server.endpoint).port) });
    admin = new Etcd3({ hosts: server.endpoint });
    for (const { username, password } of [ROOT, auth]) await admin.user(username).create(password);
    await admin.user("root").addRole("root");
    const role = await admin.role("flannel").create();
    await role.grant({ permission: "Readwrite", range: admin.range({ prefix: "/coreos.com/network/" }) });
    await admin.user(auth.username).addRole("flannel");
    store = await openStore({ endpoints: [`http://127.0.0.1:${proxy.port}`], auth });
    const { revision } = await store.list(signal);
    events = store.watch(revision, controller.signal)[Symbol.asyncIterator]();
    await follows("opened");
  };
  const enable = async () => {
    await admin.auth.authEnable();
    admin.close();
    admin = new Etcd3({ hosts: server.endpoint, auth: ROOT });
  };

  const disable = async () => {
    await admin.auth.authDisable();
    admin.close();
    admin = new Etcd3({ hosts: server.endpoint });
  };

  beforeEach(() => {
    controller = new AbortController();
  });
  afterEach(async () => {
    controller.abort();
    admin?.close();
    await store?.[Symbol.asyncDispose]();
    await proxy?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  /** A record that is written now arrives; what was told besides is returned, with repetitions left out. */
  async function follows(name: string): Promise<readonly string[]> {
    await admin.put(`${SUBNETS}/${name}`).value("x");
    const others: string[] = [];
    for (;;) {
      const { value } = await events.next();
      if (value?.kind === "changes" && JSON.stringify(value.changes).includes(`"${name}"`)) return others;
      const what = value?.kind === "disconnected" ? value.reason : String(value?.kind);
      if (others.at(-1) !== what) others.push(what);
    }
  }

  /** The watch has to be opened again. */
  async function cut(): Promise<void> {
    await server.stop();
    await server.start();
  }

  const failure = (work: Promise<unknown>) =>
    work.then(
      () => "no error",
      (error: Error) => error.message,
    );

  it("is shown once it is switched on, and no longer asked for once it is off; the watch goes on", async () => {
    await open();
    for (const turn of [1, 2]) {
      await enable();
      await store.list(signal);
      assert.deepEqual(await follows(`on-${turn}`), []);
      await cut();
      assert.equal((await follows(`cut-${turn}`)).at(-1), "connected");
      await disable();
      await store.list(signal);
      assert.deepEqual(await follows(`off-${turn}`), []);
    }
  });

  it("is said to be wrong once the password is another, without showing it, and right again once it is back", async () => {
    await open();
    await enable();
    await store.list(signal);
    await admin.user(auth.username).setPassword("an0ther");
    const refused = await failure(store.list(signal));
    assert.match(refused, /^etcd refused .*authentication failed.*check -etcd-username and FLANNELD_ETCD_PASSWORD$/);
    assert.ok(!/s3cret|an0ther/.test(refused + store.health().trouble));
    assert.deepEqual(await follows("running"), []);
    await cut();
    const told: StoreEvent[] = [];
    while (told.length < 5) told.push((await events.next()).value as StoreEvent);
    assert.ok(told.some((event) => event.kind === "disconnected" && /check -etcd-username/.test(event.reason)));
    await admin.user(auth.username).setPassword(auth.password);
    assert.equal((await follows("back")).at(-1), "connected");
    await store.list(signal);
    assert.equal(store.health().trouble, null);
  });

  for (const [whose, atStart, isFollowed] of [
    ["that were there at the start", auth, true],
    ["of which it had others from the start", { username: "flannel", password: "of another daemon" }, false],
  ] as const) {
    it(`is ${isFollowed ? "" : "not "}looked for in settings ${whose} once the password is another`, async () => {
      await open();
      await enable();
      let settings: typeof auth | null = atStart;
      const log = createCapturedLog();
      await using other = await openStore({ endpoints: [server.endpoint], auth }, log, () => settings);
      await other.list(signal);
      await admin.user(auth.username).setPassword("an0ther");
      assert.match(await failure(other.list(signal)), /authentication failed/);
      settings = null;
      assert.match(await failure(other.list(signal)), /authentication failed/);
      settings = { ...auth, password: "an0ther" };
      const now = await failure(other.list(signal));
      assert.match(now, isFollowed ? /^no error$/ : /authentication failed/);
      const told = "the user and password for etcd are others in the service's settings, and are used from now on";
      assert.deepEqual(log.messages("info"), isFollowed ? [told] : []);
    });
  }

  it("by roles: a permission that was taken away is named, and is enough again when it is given back", async () => {
    await open();
    await enable();
    const range = admin.range({ prefix: "/coreos.com/network/" });
    await admin.role("flannel").revoke({ permission: "Readwrite", range });
    assert.match(await failure(store.list(signal)), /permission denied; give the user flannel a role .*--prefix=true/);
    await admin.role("flannel").grant({ permission: "Readwrite", range });
    await store.list(signal);
    assert.deepEqual(await follows("again"), []);
  });

  for (const [kind, flags] of [
    ["simple tokens", async () => ["--auth-token=simple", "--auth-token-ttl=1"]],
    ["JWT", jwtFlags],
  ] as const) {
    it(`by ${kind} that last a second: calls get a new one, and so does a watch that is opened again`, async () => {
      await open(await flags());
      await enable();
      for (let turn = 0; turn < 3; turn++) {
        // A token ends by the clock alone.
        const begun = systemClock.monotonic();
        await waitFor("the end of the token", () => systemClock.monotonic() - begun > 2500 || null, LIMIT, signal);
        assert.deepEqual(await follows(`quiet-${turn}`), []);
        await store.list(signal);
      }
      await cut();
      assert.equal((await follows("reopened")).at(-1), "connected");
    });
  }
});

let keys: string | null = null;

async function jwtFlags(): Promise<readonly string[]> {
  keys ??= mkdtempSync(join(tmpdir(), "flanneld-jwt-"));
  const [key, pub] = [join(keys, "jwt.key"), join(keys, "jwt.pub")];
  await run(["openssl", "genrsa", "-out", key, "2048"], {}, signal);
  await run(["openssl", "rsa", "-in", key, "-pubout", "-out", pub], {}, signal);
  process.once("exit", () => keys !== null && rmSync(keys, { recursive: true, force: true }));
  return [`--auth-token=jwt,pub-key=${pub},priv-key=${key},sign-method=RS256,ttl=1s`];
}
