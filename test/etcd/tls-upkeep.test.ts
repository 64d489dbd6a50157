import assert from "node:assert/strict";
import { setMaxListeners } from "node:events";
import { copyFileSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { Etcd3 } from "etcd3";
import type { EtcdServer } from "../../lab/etcd.ts";
import { run } from "../../lab/run.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import type { TlsOptions } from "../../src/cli/options.ts";
import type { OpenLeaseStore, StoreEvent } from "../../src/subnet/lease-store.ts";
import { type CapturedLog, createCapturedLog } from "../fakes/captured-log.ts";
import type { Pair } from "../support/certificates.ts";
import { openTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { openStore, startTestEtcd } from "./etcd-fixture.ts";
import { HOSTS, openTlsFixture, type TlsFixture } from "./tls-fixture.ts";

const { signal } = new AbortController();
setMaxListeners(0, signal);
const LIMIT = seconds(40);
let pki: TlsFixture;

before(async () => {
  pki = await openTlsFixture(signal);
});
after(() => pki?.[Symbol.dispose]());

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
    mkdirSync(pki.file(name));
    copyFileSync(client.certFile, pki.file(`${name}/tls.crt`));
    copyFileSync(client.keyFile, pki.file(`${name}/tls.key`));
    copyFileSync(caFile, pki.file(`${name}/ca.crt`));
    symlinkSync(name, pki.file("turning"));
    renameSync(pki.file("turning"), pki.file("..data"));
  }

  const at = (name: string) => pki.file(`..data/${name}`);
  let mounts = 0;

  beforeEach(async () => {
    server = await pki.startSecure();
    proxy = await openTcpProxy({ host: "127.0.0.1", port: Number(new URL(server.endpoint).port) });
    mount(`mount-${mounts++}`, pki.clientPair, pki.authority.caFile);
    tls = { caFile: at("ca.crt"), certFile: at("tls.crt"), keyFile: at("tls.key") };
    log = createCapturedLog();
    store = await openStore({ endpoints: [`https://127.0.0.1:${proxy.port}`], tls }, log);
    controller = new AbortController();
    admin = pki.adminOf(server.endpoint);
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
    mount(`mount-${mounts++}`, await pki.authority.client(60), pki.authority.caFile);
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
    const fresh = await pki.authority.client(60);
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
    const fresh = await pki.authority.client(60);
    const connections = proxy.made();
    writeFileSync(tls.certFile ?? "", readFileSync(fresh.certFile));
    store.reload();
    await logged(/are of no use; going on with the old ones$/);
    assert.match(log.lines.at(-1)?.fields.reason ?? "", /tls\.key: it does not belong to .*tls\.crt$/);
    assert.match(store.health().refusedFiles ?? "", /tls\.key: it does not belong to .*tls\.crt$/);
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
    assert.equal(store.health().refusedFiles, null);
    assert.deepEqual(await followed("second"), []);
  });

  it("change nothing when they are too weak to be used at all, which is said", async () => {
    const files = ["-keyout", tls.keyFile ?? "", "-out", tls.certFile ?? ""];
    const weak = ["-newkey", "rsa:512", "-nodes", "-subj", "/CN=flanneld", "-days", "2"];
    await run(["openssl", "req", "-x509", ...weak, ...files], {}, signal);
    store.reload();
    const refused = () => (/tls\.crt: OpenSSL refuses it/.test(log.lines.at(-1)?.fields.reason ?? "") ? true : null);
    await waitFor("a word about the certificate", refused, LIMIT, signal);
    await store.list(signal);
    assert.deepEqual(await followed("second"), []);
  });

  it("that etcd does not accept leave the watch where it is, until they are replaced by some that it does", async () => {
    mount(`mount-${mounts++}`, await pki.other.client(), pki.authority.caFile);
    store.reload();
    await logged(/cannot be reached with the new TLS files; what is connected stays$/);
    assert.match(log.lines.at(-1)?.fields.reason ?? "", /does not accept the client certificate/);
    assert.deepEqual(await followed("second"), []);
    assert.match(store.health().trouble ?? "", /does not accept/);
    mount(`mount-${mounts++}`, pki.clientPair, pki.authority.caFile);
    store.reload();
    await logged(/^etcd can be reached with the new TLS files$/);
    assert.equal(store.health().trouble, null);
    assert.deepEqual(await followed("third"), []);
  });

  it("follow the authority when that is another: first both are trusted, then etcd changes, then the old one goes", async () => {
    const both = pki.file(`both-${mounts}.pem`);
    writeFileSync(both, readFileSync(pki.authority.caFile, "utf8") + readFileSync(pki.other.caFile, "utf8"));
    mount(`mount-${mounts++}`, await pki.other.client(), both);
    const { port } = new URL(server.endpoint);
    await server[Symbol.asyncDispose]();
    const renewed = await pki.other.server(HOSTS);
    server = await startTestEtcd({ port: Number(port), tls: { ...renewed, clientCaFile: pki.other.caFile } });
    const back = async () => ((await messageFrom(store)) === null ? true : null);
    await waitFor("etcd with the new authority", back, LIMIT, signal);
    mount(`mount-${mounts++}`, await pki.other.client(), pki.other.caFile);
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
