// Whether etcd would take a lease is asked without writing one: what rights and a full database make of a transaction
// whose condition never holds.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Etcd3 } from "etcd3";
import { openStore, startTestEtcd } from "./etcd-fixture.ts";

const { signal } = new AbortController();
const ROOT = { username: "root", password: "root" };
const READER = { username: "reader", password: "reader" };

describe("an etcd that answers and takes no lease", () => {
  it("says that a user may only read, before anything is written", async () => {
    await using server = await startTestEtcd({});
    const admin = new Etcd3({ hosts: server.endpoint });
    try {
      for (const { username, password } of [ROOT, READER]) await admin.user(username).create(password);
      await admin.user("root").addRole("root");
      const role = await admin.role("reader").create();
      await role.grant({ permission: "Read", range: admin.range({ prefix: "/coreos.com/network/" }) });
      await admin.user(READER.username).addRole("reader");
      await admin.auth.authEnable();
      await using store = await openStore({ endpoints: [server.endpoint], auth: READER });
      const { revision } = await store.list(signal);
      const refusal = await store.refusal(signal);
      assert.equal(refusal?.code, "etcd.denied");
      assert.match(refusal.message, /permission denied; give the user reader a role .*readwrite --prefix=true/);
      assert.equal((await store.list(signal)).revision, revision);
    } finally {
      admin.close();
    }
  });

  it("says that it is full", async () => {
    await using server = await startTestEtcd({ flags: ["--quota-backend-bytes=2500000"] });
    const admin = new Etcd3({ hosts: server.endpoint });
    try {
      await using store = await openStore({ endpoints: [server.endpoint] });
      assert.equal(await store.refusal(signal), null);
      const fill = async () => {
        for (let n = 0; n < 100; n++) await admin.put(`fill/${n}`).value(Buffer.alloc(100_000));
      };
      await assert.rejects(fill(), /database space exceeded/);
      assert.equal((await store.refusal(signal))?.code, "etcd.full");
    } finally {
      admin.close();
    }
  });
});
