import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Etcd3 } from "etcd3";
import type { EtcdServer } from "../../lab/etcd.ts";
import { run } from "../../lab/run.ts";
import { minutes } from "../../src/base/brand.ts";
import { FlannelError } from "../../src/base/errors.ts";
import type { EtcdOptions, TlsOptions } from "../../src/cli/options.ts";
import { leaseOf } from "../support/leases.ts";
import { openStore, startTestEtcd } from "./etcd-fixture.ts";

const { signal } = new AbortController();
const NO_TLS: TlsOptions = { caFile: null, certFile: null, keyFile: null };
const { subnet, attrs } = leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.3" });
const warnings: Error[] = [];
let directory: string;

before(async () => {
  process.on("warning", (warning) => warnings.push(warning));
  directory = mkdtempSync(join(tmpdir(), "flanneld-certs-"));
  await makeAuthority("ca");
  await makeAuthority("other-ca");
  await makeCertificate("server", "IP:127.0.0.1,DNS:localhost");
  await makeCertificate("elsewhere", "IP:10.9.9.9,DNS:elsewhere.example");
  await makeCertificate("client", "DNS:client");
  await openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file("stray.key"));
  const weak = ["-newkey", "rsa:512", "-nodes", "-subj", "/CN=weak", "-days", "2"];
  await openssl("req", "-x509", ...weak, "-keyout", file("weak.key"), "-out", file("weak.pem"));
  writeFileSync(file("garbage.pem"), "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n");
});
after(() => rmSync(directory, { recursive: true, force: true }));

function file(name: string): string {
  return join(directory, name);
}

async function openssl(...args: string[]): Promise<void> {
  await run(["openssl", ...args], {}, signal);
}

async function makeAuthority(name: string): Promise<void> {
  const subject = ["-subj", `/CN=${name}`, "-days", "2", "-nodes", "-newkey", "ec", "-pkeyopt"];
  const out = ["-keyout", file(`${name}.key`), "-out", file(`${name}.pem`)];
  await openssl("req", "-x509", ...subject, "ec_paramgen_curve:P-256", ...out);
}

async function makeCertificate(name: string, alternatives: string): Promise<void> {
  const request = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", `/CN=${name}`];
  await openssl("req", ...request, "-keyout", file(`${name}.key`), "-out", file(`${name}.csr`));
  writeFileSync(
    file(`${name}.ext`),
    `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature\n`,
  );
  const signing = ["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial", "-days", "2"];
  const files = ["-in", file(`${name}.csr`), "-extfile", file(`${name}.ext`), "-out", file(`${name}.pem`)];
  await openssl("x509", "-req", ...signing, ...files);
}

const serverTls = (name: string) => ({ certFile: file(`${name}.pem`), keyFile: file(`${name}.key`) });

async function failureOf(work: Promise<unknown>): Promise<FlannelError> {
  const error = await work.then(
    () => null,
    (error: unknown) => error,
  );
  assert.ok(error instanceof FlannelError, String(error));
  return error;
}

/** Everything that goes another way through the client: a request, a transaction, a stream. */
async function useEverything(options: Partial<EtcdOptions>): Promise<void> {
  await using store = await openStore(options);
  const { revision } = await store.list(signal);
  const outcome = await store.claim(subnet, attrs, minutes(1), signal);
  assert.equal(outcome.kind, "claimed");
  assert.equal((await store.renew(outcome.lease, attrs, minutes(1), signal)).kind, "renewed");
  const events = store.watch(revision, signal)[Symbol.asyncIterator]();
  assert.equal((await events.next()).value?.kind, "changes");
  await events.return?.();
  assert.deepEqual(await store.remove(outcome.lease, signal), { kind: "removed" });
}

describe("TLS", () => {
  it("needs only the authority's certificate, at an address or a name", async () => {
    await using server = await startTestEtcd({ tls: serverTls("server"), v2: true });
    const tls = { ...NO_TLS, caFile: file("ca.pem") };
    await useEverything({ endpoints: [server.endpoint], tls });
    await useEverything({ endpoints: [server.endpoint.replace("127.0.0.1", "localhost")], tls });
    await using store = await openStore({ endpoints: [server.endpoint], tls });
    assert.equal(await store.v2NetworkConfig(signal), null);
    await putV2(server.endpoint, "config text");
    assert.equal(await store.v2NetworkConfig(signal), "config text");
    // Node emits a warning in the tick after.
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(warnings.map(String), []);
  });

  it("shows a client certificate where etcd demands one", async () => {
    await using server = await startTestEtcd({ tls: { ...serverTls("server"), clientCaFile: file("ca.pem") } });
    const tls: TlsOptions = { caFile: file("ca.pem"), certFile: file("client.pem"), keyFile: file("client.key") };
    await useEverything({ endpoints: [server.endpoint], tls });
    await using stranger = await openStore({ endpoints: [server.endpoint], tls: { ...tls, certFile: null } });
    assert.equal((await failureOf(stranger.list(signal))).code, "etcd.handshake");
  });

  it("trusts nobody without a reason, and says what is wrong", async () => {
    await using server = await startTestEtcd({ tls: serverTls("server") });
    await using elsewhere = await startTestEtcd({ tls: serverTls("elsewhere") });
    const reasonAt = async ({ endpoint }: EtcdServer, caFile: string | null) => {
      await using store = await openStore({ endpoints: [endpoint], tls: { ...NO_TLS, caFile } });
      return (await failureOf(store.list(signal))).message;
    };
    assert.match(await reasonAt(server, null), /unable to (verify|get)|self-signed/);
    assert.match(await reasonAt(server, file("other-ca.pem")), /unable to|self-signed|signature/);
    assert.match(
      await reasonAt(elsewhere, file("ca.pem")),
      /IP: 127\.0\.0\.1 is not in the cert's list: 10\.9\.9\.9; name the server/,
    );
  });

  it("names the file and the flag when a file is of no use", async () => {
    const messageFor = async (tls: Partial<TlsOptions>) =>
      (await failureOf(openStore({ endpoints: ["https://127.0.0.1:1"], tls: { ...NO_TLS, ...tls } }))).message;
    const client = { certFile: file("client.pem"), keyFile: file("client.key") };
    const none = file("none.pem");
    assert.equal(
      await messageFor({ caFile: none }),
      `cannot read the etcd CA file (--etcd-cafile) ${none}: there is no such file`,
    );
    assert.match(await messageFor({ caFile: directory }), /: it is a directory$/);
    assert.match(await messageFor({ caFile: file("client.key") }), /: there is no certificate in PEM form in it$/);
    assert.match(await messageFor({ caFile: file("garbage.pem") }), /does not hold a certificate/);
    assert.match(await messageFor({ ...client, certFile: none }), /the etcd client certificate \(--etcd-certfile\)/);
    assert.match(
      await messageFor({ ...client, keyFile: file("ca.pem") }),
      /--etcd-keyfile.*does not hold a private key/,
    );
    assert.match(await messageFor({ ...client, keyFile: file("stray.key") }), /does not belong to .*client\.pem$/);
    assert.match(
      await messageFor({ certFile: file("weak.pem"), keyFile: file("weak.key") }),
      /--etcd-certfile\) .*weak\.pem: OpenSSL refuses it: .*too small; make a stronger one$/,
    );
  });

  it("is not touched when the endpoints do not use it", async () => {
    await using server = await startTestEtcd();
    await useEverything({ endpoints: [server.endpoint], tls: { ...NO_TLS, caFile: file("none.pem") } });
  });
});

/** As a person did years ago. */
async function putV2(endpoint: string, value: string): Promise<void> {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const options = { method: "PUT", headers, ca: readFileSync(file("ca.pem")), agent: false as const };
  const call = request(`${endpoint}/v2/keys/coreos.com/network/config`, options).end(`value=${value}`);
  const [response] = (await once(call, "response")) as [IncomingMessage];
  assert.equal(response.statusCode, 201);
  response.resume();
}

describe("a user name and a password", () => {
  const auth = { username: "flannel", password: "s3cret" };
  let server: EtcdServer;
  let admin: Etcd3;

  before(async () => {
    // A token that is not used for this long is forgotten.
    server = await startTestEtcd({ flags: ["--auth-token-ttl=1"] });
    admin = new Etcd3({ hosts: server.endpoint, auth: { username: "root", password: "root" } });
    const anonymous = new Etcd3({ hosts: server.endpoint });
    const root = await anonymous.user("root").create("root");
    await root.addRole("root");
    const role = await anonymous.role("flannel").create();
    await role.grant({ permission: "Readwrite", range: anonymous.range({ prefix: "/coreos.com/network/" }) });
    await anonymous.user(auth.username).create(auth.password);
    await anonymous.user(auth.username).addRole("flannel");
    await anonymous.auth.authEnable();
    anonymous.close();
  });
  after(async () => {
    admin?.close();
    await server?.[Symbol.asyncDispose]();
  });

  it("are enough for everything that we do", () => useEverything({ endpoints: [server.endpoint], auth }));

  it("that are wrong or missing, or not allowed to do it, are refused with the reason and without the password", async () => {
    const refusal = async (options: Partial<EtcdOptions>) => {
      await using store = await openStore({ endpoints: [server.endpoint], ...options });
      const error = await failureOf(store.list(signal));
      assert.equal(error.code, "etcd.denied");
      assert.ok(!error.message.includes("wr0ng"));
      return error.message;
    };
    const wrong = { ...auth, password: "wr0ng" };
    assert.match(
      await refusal({ auth: wrong }),
      /authentication failed, invalid user ID or password; check -etcd-username/,
    );
    assert.match(await refusal({ auth: null }), /user name is empty; .* set -etcd-username/);
    assert.match(await refusal({ auth, prefix: "/somewhere/else" }), /permission denied; give the user flannel a role/);
  });

  it("are shown again when etcd has forgotten the token, also by a watch that comes back", async () => {
    await using store = await openStore({ endpoints: [server.endpoint], auth });
    const { revision } = await store.list(signal);
    const events = store.watch(revision, signal)[Symbol.asyncIterator]();
    const first = events.next();
    await server.stop();
    assert.equal((await first).value?.kind, "disconnected");
    await server.start();
    let event = await events.next();
    while (event.value?.kind === "disconnected") event = await events.next();
    assert.equal(event.value?.kind, "connected");
    await admin.put("/coreos.com/network/subnets/foo").value("bar");
    assert.equal((await events.next()).value?.kind, "changes");
    await events.return?.();
    await store.list(signal);
  });

  it("are not asked for by an etcd without authentication", async () => {
    await using open = await startTestEtcd();
    await useEverything({ endpoints: [open.endpoint], auth });
  });

  it("are shown as soon as authentication is switched on", async () => {
    await using other = await startTestEtcd();
    await using store = await openStore({ endpoints: [other.endpoint], auth: { username: "root", password: "root" } });
    await store.list(signal);
    const anonymous = new Etcd3({ hosts: other.endpoint });
    const root = await anonymous.user("root").create("root");
    await root.addRole("root");
    await anonymous.auth.authEnable();
    anonymous.close();
    await store.list(signal);
  });
});
