import assert from "node:assert/strict";
import { once, setMaxListeners } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { openEtcdCluster } from "../../lab/etcd-cluster.ts";
import { waitFor } from "../../lab/wait.ts";
import { minutes, seconds } from "../../src/base/brand.ts";
import type { EtcdOptions, TlsOptions } from "../../src/cli/options.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { leaseOf } from "../support/leases.ts";
import { openStore, startTestEtcd } from "./etcd-fixture.ts";
import { HOSTS, openTlsFixture, type TlsFixture } from "./tls-fixture.ts";

const { signal } = new AbortController();
setMaxListeners(0, signal);
const LIMIT = seconds(40);
const { subnet, attrs } = leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.3" });
let pki: TlsFixture;

before(async () => {
  pki = await openTlsFixture(signal);
});
after(() => pki?.[Symbol.dispose]());

async function messageOf(options: Partial<EtcdOptions>): Promise<string> {
  await using store = await openStore(options);
  return await store.list(signal).then(
    () => "no error",
    (error: Error) => error.message,
  );
}

/** What is no etcd. */
async function listen(onConnection: (socket: Socket) => void): Promise<AsyncDisposable & { readonly address: string }> {
  const server = createServer((socket) => onConnection(socket.on("error", () => {})));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const close = async () => void (await new Promise((resolve) => server.close(resolve)));
  return { address: `127.0.0.1:${port}`, [Symbol.asyncDispose]: close };
}

/** A request, a transaction and a stream. */
async function useEverything(options: Partial<EtcdOptions>): Promise<void> {
  await using store = await openStore(options);
  const { revision } = await store.list(signal);
  const outcome = await store.claim(subnet, attrs, minutes(1), signal);
  assert.equal(outcome.kind, "claimed");
  const events = store.watch(revision, signal)[Symbol.asyncIterator]();
  assert.equal((await events.next()).value?.kind, "changes");
  await events.return?.();
  assert.deepEqual(await store.remove(outcome.lease, signal), { kind: "removed" });
  assert.equal(store.health().trouble, null);
}

describe("TLS with certificates made by cfssl", () => {
  it("serves a cluster of three with client certificates, and with a user name and password besides", async () => {
    await using cluster = await openEtcdCluster(
      3,
      { tls: { ...pki.serverPair, clientCaFile: pki.authority.caFile } },
      signal,
    );
    const options = { endpoints: cluster.endpoints, tls: pki.tlsOf(pki.clientPair) };
    for (const endpoint of cluster.endpoints) await useEverything({ ...options, endpoints: [endpoint] });
    const admin = pki.adminOf(cluster.endpoints[0] ?? "");
    for (const name of ["root", "flannel", "flanneld"]) await admin.user(name).create(name);
    await admin.user("root").addRole("root");
    const role = await admin.role("flannel").create();
    await role.grant({ permission: "Readwrite", range: admin.range({ prefix: "/coreos.com/network/" }) });
    for (const name of ["flannel", "flanneld"]) await admin.user(name).addRole("flannel");
    await admin.auth.authEnable();
    admin.close();
    await useEverything({ ...options, auth: { username: "flannel", password: "flannel" } });
    // etcd: without a token, the name in the client certificate is the user.
    await useEverything(options);
    assert.match(
      await messageOf({ ...options, auth: { username: "flannel", password: "wr0ng" } }),
      /^etcd refused .*check -etcd-username and FLANNELD_ETCD_PASSWORD$/,
    );
    assert.match(
      await messageOf({ ...options, prefix: "/elsewhere" }),
      /permission denied; give the user in the name \(CN\).* role grant-permission ROLE readwrite --prefix=true \/elsewhere\/$/,
    );
  });

  it("has a sentence for each way in which it can go wrong, the same at every attempt", async () => {
    await using server = await pki.startSecure();
    await using late = await pki.startSecure(await pki.authority.server(HOSTS, -1), null);
    await using misnamed = await pki.startSecure(await pki.authority.server(["10.9.9.9", "elsewhere.example"]), null);
    const expired = await pki.authority.client(-1);
    const stranger = await pki.other.client();
    const cases: readonly (readonly [string, TlsOptions, RegExp])[] = [
      [
        server.endpoint,
        pki.tlsOf(pki.clientPair, pki.other),
        /no authority in .*new-ca\.pem \(-etcd-cafile\) has signed/,
      ],
      [
        late.endpoint,
        pki.tlsOf(null),
        /the certificate of the etcd server, or of its authority, has expired: renew it there \(/,
      ],
      [
        misnamed.endpoint,
        pki.tlsOf(null),
        /not in the cert's list: 10\.9\.9\.9; name the server in -etcd-endpoints as/,
      ],
      [server.endpoint, pki.tlsOf(null), /demands a client certificate: set -etcd-certfile and -etcd-keyfile/],
      [server.endpoint, pki.tlsOf(expired), /the client certificate \S+ expired at \S+: replace it and its key/],
      [server.endpoint, pki.tlsOf(stranger), /does not accept the client certificate .*--trusted-ca-file/],
      [server.endpoint.replace("https", "http"), pki.tlsOf(null), /if this etcd has TLS, write https:\/\//],
    ];
    for (const [endpoint, tls, sentence] of cases) {
      const messages = [
        await messageOf({ endpoints: [endpoint], tls }),
        await messageOf({ endpoints: [endpoint], tls }),
      ];
      assert.match(messages[0] ?? "", sentence);
      // The cause comes first where TLS is it.
      if (endpoint.startsWith("https:")) assert.doesNotMatch(messages[0] ?? "", /did not answer/);
      assert.equal(messages[0], messages[1]);
    }
    await using plain = await startTestEtcd();
    const endpoint = plain.endpoint.replace("http", "https");
    assert.match(
      await messageOf({ endpoints: [endpoint], tls: pki.tlsOf(null) }),
      /if this etcd has no TLS, write http:\/\//,
    );
  });

  it("has the same sentence whether what speaks no TLS, or nothing else, ends the connection or resets it", async () => {
    const sentences = {
      https: /^TLS could not be agreed on: if this etcd has no TLS, write http:\/\/ in -etcd-endpoints \(/,
      http: /: something accepted the connection and closed it; if this etcd has TLS, write https:\/\/ in -etcd-endpoints$/,
    };
    for (const end of ["destroy", "resetAndDestroy"] as const) {
      await using server = await listen((socket) => socket.once("data", () => socket[end]()));
      for (const [scheme, sentence] of Object.entries(sentences)) {
        const endpoints = [`${scheme}://${server.address}`];
        assert.match(await messageOf({ endpoints, tls: pki.tlsOf(null) }), sentence, `${scheme} ${end}`);
      }
    }
  });

  it("tells the end of the client's certificate, of the authority's and of the server's", async () => {
    const brief = await pki.office.authority("brief-ca", 25);
    await using server = await pki.startSecure(await brief.server(HOSTS, 0.5), brief.caFile);
    const log = createCapturedLog();
    await using store = await openStore(
      { endpoints: [server.endpoint], tls: pki.tlsOf(await brief.client(5), brief) },
      log,
    );
    const look = () => (log.messages("warn").length >= 3 ? true : null);
    await waitFor("three warnings", look, LIMIT, signal);
    const told = log.lines.map(({ fields }) => `${fields.days}: ${fields.certificate?.replaceAll(/\S*\//g, "")}`);
    assert.match(told[0] ?? "", /^25: the CA file brief-ca\.pem \(--etcd-cafile\)$/);
    assert.match(told[1] ?? "", /^5: the client certificate brief-ca-client-\d+\.pem \(--etcd-certfile\)$/);
    assert.equal(told[2], `1: the certificate of ${server.endpoint.replace("https://", "")}`);
    assert.deepEqual(
      store.health().certificates.map(({ whose }) => whose),
      ["authority", "client", "server"],
    );
  });
});
