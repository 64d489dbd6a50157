import assert from "node:assert/strict";
import { setMaxListeners } from "node:events";
import { copyFileSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { Etcd3 } from "etcd3";
import type { EtcdServer } from "../../lab/etcd.ts";
import { openEtcdCluster } from "../../lab/etcd-cluster.ts";
import { waitFor } from "../../lab/wait.ts";
import { minutes, seconds } from "../../src/base/brand.ts";
import type { EtcdOptions, TlsOptions } from "../../src/cli/options.ts";
import type { OpenLeaseStore, StoreEvent } from "../../src/subnet/lease-store.ts";
import { type CapturedLog, createCapturedLog } from "../fakes/captured-log.ts";
import { type Authority, type Office, openOffice, type Pair } from "../support/certificates.ts";
import { leaseOf } from "../support/leases.ts";
import { openTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { openStore, startTestEtcd } from "./etcd-fixture.ts";

const { signal } = new AbortController();
setMaxListeners(0, signal);
const LIMIT = seconds(40);
const HOSTS = ["127.0.0.1", "localhost"];
const { subnet, attrs } = leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.3" });
let office: Office;
let authority: Authority;
let other: Authority;
let serverPair: Pair;
let clientPair: Pair;

before(async () => {
  office = openOffice(signal);
  authority = await office.authority("etcd-ca");
  other = await office.authority("new-ca");
  serverPair = await authority.server(HOSTS);
  clientPair = await authority.client();
});
after(() => office?.[Symbol.dispose]());

const file = (name: string) => join(office.directory, name);
const tlsOf = (client: Pair | null, ca = authority): TlsOptions => ({
  caFile: ca.caFile,
  certFile: client?.certFile ?? null,
  keyFile: client?.keyFile ?? null,
});

function startSecure(pair: Pair = serverPair, clientCaFile: string | null = authority.caFile): Promise<EtcdServer> {
  return startTestEtcd({ tls: { ...pair, ...(clientCaFile !== null && { clientCaFile }) } });
}

async function messageOf(options: Partial<EtcdOptions>): Promise<string> {
  await using store = await openStore(options);
  return await store.list(signal).then(
    () => "no error",
    (error: Error) => error.message,
  );
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

function adminOf(endpoint: string, user?: string): Etcd3 {
  const credentials = {
    rootCertificate: readFileSync(authority.caFile),
    privateKey: readFileSync(clientPair.keyFile),
    certChain: readFileSync(clientPair.certFile),
  };
  return new Etcd3({ hosts: endpoint, credentials, ...(user && { auth: { username: user, password: user } }) });
}

describe("TLS with certificates made by cfssl", () => {
  it("serves a cluster of three with client certificates, and with a user name and password besides", async () => {
    await using cluster = await openEtcdCluster(3, { tls: { ...serverPair, clientCaFile: authority.caFile } }, signal);
    const options = { endpoints: cluster.endpoints, tls: tlsOf(clientPair) };
    for (const endpoint of cluster.endpoints) await useEverything({ ...options, endpoints: [endpoint] });
    const admin = adminOf(cluster.endpoints[0] ?? "");
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
    await using server = await startSecure();
    await using late = await startSecure(await authority.server(HOSTS, -1), null);
    await using misnamed = await startSecure(await authority.server(["10.9.9.9", "elsewhere.example"]), null);
    const expired = await authority.client(-1);
    const stranger = await other.client();
    const cases: readonly (readonly [string, TlsOptions, RegExp])[] = [
      [server.endpoint, tlsOf(clientPair, other), /no authority in .*new-ca\.pem \(-etcd-cafile\) has signed/],
      [
        late.endpoint,
        tlsOf(null),
        /the certificate of the etcd server, or of its authority, has expired: renew it there \(/,
      ],
      [misnamed.endpoint, tlsOf(null), /not in the cert's list: 10\.9\.9\.9; name the server in -etcd-endpoints as/],
      [server.endpoint, tlsOf(null), /demands a client certificate: set -etcd-certfile and -etcd-keyfile/],
      [server.endpoint, tlsOf(expired), /the client certificate \S+ expired at \S+: replace it and its key/],
      [server.endpoint, tlsOf(stranger), /does not accept the client certificate .*--trusted-ca-file/],
      [server.endpoint.replace("https", "http"), tlsOf(null), /if this etcd has TLS, write https:\/\//],
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
      await messageOf({ endpoints: [endpoint], tls: tlsOf(null) }),
      /if this etcd has no TLS, write http:\/\//,
    );
  });

  it("tells the end of the client's certificate, of the authority's and of the server's", async () => {
    const brief = await office.authority("brief-ca", 25);
    await using server = await startSecure(await brief.server(HOSTS, 0.5), brief.caFile);
    const log = createCapturedLog();
    await using store = await openStore(
      { endpoints: [server.endpoint], tls: tlsOf(await brief.client(5), brief) },
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

describe("certificates that are replaced on disk", () => {
  let server: EtcdServer;
  let proxy: TcpProxy;
  let log: CapturedLog;
  let store: OpenLeaseStore;
  let controller: AbortController;
  let events: AsyncIterator<StoreEvent>;
  let admin: Etcd3;
  /** What the daemon is given; the directories change behind it. */
  let tls: TlsOptions;

  /** A secret of Kubernetes: files that are links into a directory, which is itself behind a link that is turned. */
  function mount(name: string, client: Pair, caFile: string): void {
    mkdirSync(file(name));
    copyFileSync(client.certFile, file(`${name}/tls.crt`));
    copyFileSync(client.keyFile, file(`${name}/tls.key`));
    copyFileSync(caFile, file(`${name}/ca.crt`));
    symlinkSync(name, file("turning"));
    renameSync(file("turning"), file("..data"));
  }

  const at = (name: string) => file(`..data/${name}`);
  let mounts = 0;

  beforeEach(async () => {
    server = await startSecure();
    proxy = await openTcpProxy({ host: "127.0.0.1", port: Number(new URL(server.endpoint).port) });
    mount(`mount-${mounts++}`, clientPair, authority.caFile);
    tls = { caFile: at("ca.crt"), certFile: at("tls.crt"), keyFile: at("tls.key") };
    log = createCapturedLog();
    store = await openStore({ endpoints: [`https://127.0.0.1:${proxy.port}`], tls }, log);
    controller = new AbortController();
    admin = adminOf(server.endpoint);
    const { revision } = await store.list(signal);
    events = store.watch(revision, controller.signal)[Symbol.asyncIterator]();
    await followed("first");
  });
  afterEach(async () => {
    controller?.abort();
    admin?.close();
    await store?.[Symbol.asyncDispose]();
    await proxy?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  /** The watch tells of a record that is written now, and of nothing else before it but that it is back. */
  async function followed(name: string): Promise<readonly string[]> {
    const others: string[] = [];
    await admin.put(`/coreos.com/network/subnets/${name}`).value("x");
    for (;;) {
      const { value } = await events.next();
      if (value?.kind === "changes") {
        assert.deepEqual(
          value.changes.map((change: { record?: { key: string } }) => change.record?.key),
          [name],
        );
        return others;
      }
      others.push(String(value?.kind));
    }
  }

  const logged = (message: RegExp) =>
    waitFor(
      `${message} in the log`,
      () => (log.messages().some((line) => message.test(line)) ? true : null),
      LIMIT,
      signal,
    );

  it("are taken up within seconds when the link is turned; the watch moves to a new connection and misses nothing", async () => {
    const before = proxy.made();
    mount(`mount-${mounts++}`, await authority.client(60), authority.caFile);
    const reading = followed("second");
    await logged(/^read new TLS files for etcd$/);
    const moved = () => (proxy.made() > before && proxy.open() === 1 ? true : null);
    await waitFor("new connections, and the end of the old ones", moved, LIMIT, signal);
    assert.deepEqual(await reading, []);
    assert.deepEqual(await followed("third"), []);
    assert.deepEqual(log.messages("warn"), []);
  });

  it("are taken up at once when it is asked for, also in place, and it is said when there is nothing new", async () => {
    store.reload();
    await logged(/they are as they were$/);
    const fresh = await authority.client(60);
    for (const [from, to] of [
      [fresh.certFile, tls.certFile],
      [fresh.keyFile, tls.keyFile],
    ] as const) {
      writeFileSync(`${to}.new`, readFileSync(from));
      renameSync(`${to}.new`, to ?? "");
    }
    store.reload();
    await logged(/^read new TLS files for etcd$/);
    const [own] = store.health().certificates.filter(({ whose }) => whose === "client");
    assert.ok((own?.expires ?? 0) < Date.now() + 61 * 86_400_000);
    assert.deepEqual(await followed("second"), []);
  });

  it("change nothing while they are half written, which is said; nor when the files have gone", async () => {
    const fresh = await authority.client(60);
    const connections = proxy.made();
    writeFileSync(tls.certFile ?? "", readFileSync(fresh.certFile));
    store.reload();
    await logged(/are of no use; going on with the old ones$/);
    assert.match(log.lines.at(-1)?.fields.reason ?? "", /tls\.key: it does not belong to .*tls\.crt$/);
    await store.list(signal);
    renameSync(tls.keyFile ?? "", `${tls.keyFile}.gone`);
    store.reload();
    const gone = () => (/tls\.key: there is no such file$/.test(log.lines.at(-1)?.fields.reason ?? "") ? true : null);
    await waitFor("a word about the file that has gone", gone, LIMIT, signal);
    await store.list(signal);
    assert.equal(proxy.made(), connections);
    writeFileSync(tls.keyFile ?? "", readFileSync(fresh.keyFile));
    await logged(/^the TLS files for etcd are good again$/);
    await logged(/^read new TLS files for etcd$/);
    assert.deepEqual(await followed("second"), []);
  });

  it("that etcd does not accept leave the watch where it is, until they are replaced by some that it does", async () => {
    mount(`mount-${mounts++}`, await other.client(), authority.caFile);
    store.reload();
    await logged(/cannot be reached with the new TLS files; what is connected stays$/);
    assert.match(log.lines.at(-1)?.fields.reason ?? "", /does not accept the client certificate/);
    assert.deepEqual(await followed("second"), []);
    assert.match(store.health().trouble ?? "", /does not accept/);
    mount(`mount-${mounts++}`, clientPair, authority.caFile);
    store.reload();
    await logged(/^etcd can be reached with the new TLS files$/);
    assert.equal(store.health().trouble, null);
    assert.deepEqual(await followed("third"), []);
  });

  it("follow the authority when that is another: first both are trusted, then etcd changes, then the old one goes", async () => {
    const both = file(`both-${mounts}.pem`);
    writeFileSync(both, readFileSync(authority.caFile, "utf8") + readFileSync(other.caFile, "utf8"));
    mount(`mount-${mounts++}`, await other.client(), both);
    const { port } = new URL(server.endpoint);
    await server[Symbol.asyncDispose]();
    const renewed = await other.server(HOSTS);
    server = await startTestEtcd({ port: Number(port), tls: { ...renewed, clientCaFile: other.caFile } });
    const back = async () => ((await messageFrom(store)) === null ? true : null);
    await waitFor("etcd with the new authority", back, LIMIT, signal);
    mount(`mount-${mounts++}`, await other.client(), other.caFile);
    store.reload();
    await waitFor(
      "the old authority to go",
      () => (log.messages().filter((line) => line.startsWith("read new")).length === 2 ? true : null),
      LIMIT,
      signal,
    );
    await store.list(signal);
  });
});

async function messageFrom(store: OpenLeaseStore): Promise<string | null> {
  return await store.list(signal).then(
    () => null,
    (error: Error) => error.message,
  );
}
