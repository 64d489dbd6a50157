// `flanneld check` and `flanneld status` where etcd has TLS, and a certificate has expired or is not valid yet.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { attempt } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { seconds } from "../../src/base/brand.ts";
import { VXLAN } from "../support/backend-profiles.ts";
import { type Office, openOffice, type Pair } from "../support/certificates.ts";
import { checksOn, LIMIT, PROGRAM } from "../support/checked-hosts.ts";
import { openCluster } from "../support/cluster.ts";

const { signal } = new AbortController();

async function openSecured(office: Office) {
  const authority = await office.authority("etcd-ca");
  const server = await authority.server(["192.168.77.2"], 400);
  const admin = await authority.client();
  const tls = { ...server, clientCaFile: authority.caFile };
  const etcdctl = [`--cacert=${authority.caFile}`, `--cert=${admin.certFile}`, `--key=${admin.keyFile}`];
  const secured = await openCluster(1, VXLAN.config, signal, { tls, etcdctl });
  const flagsOf = (pair: Pair) => [
    `--etcd-cafile=${authority.caFile}`,
    `--etcd-certfile=${pair.certFile}`,
    `--etcd-keyfile=${pair.keyFile}`,
  ];
  return { secured, authority, admin, flagsOf, ...checksOn(() => secured, signal) };
}

describe("status where etcd has TLS", () => {
  it("tells of a certificate on the disk that is of no use, with which the daemon would not start again", async () => {
    using office = openOffice(signal);
    const { secured, admin, flagsOf, statusTells } = await openSecured(office);
    await using _ = secured;
    const daemon = secured.start(0, { flags: flagsOf(admin) });
    await daemon.ready(signal);
    const good = readFileSync(admin.certFile);
    writeFileSync(admin.certFile, "");
    process.kill(daemon.pid, "SIGHUP");
    await statusTells(0, /^ +certificates +.*: there is no certificate in PEM form in it; .* a restart would fail$/m);
    writeFileSync(admin.certFile, good);
    process.kill(daemon.pid, "SIGHUP");
    await statusTells(0, /^flanneld \S+ +ready /m);
    assert.equal(await daemon.stop(signal), 0);
  });
});

describe("check of an etcd with TLS", () => {
  it("tells the cause in one line of a certificate that has expired", async () => {
    using office = openOffice(signal);
    const { secured, authority, admin, flagsOf, statusTells } = await openSecured(office);
    await using _ = secured;
    const { namespace = "" } = secured.hosts[0] ?? {};
    const look = async (pair: Pair) => {
      const line = [PROGRAM, "check", `--etcd-endpoints=${secured.endpoint}`, ...flagsOf(pair)];
      return await attempt(inNamespace(namespace, line), { limit: LIMIT }, signal);
    };
    const fine = await look(admin);
    assert.equal(fine.status, 0, fine.stdout);
    assert.match(fine.stdout, /^ok +clock +this clock and etcd's agree$/m);
    const expired = await look(await authority.client(-0.001));
    assert.equal(expired.status, 2, expired.stdout);
    assert.match(expired.stdout, /\nbroken: certificates: the client certificate .* expired at /);
    // One that is started with it, and one that it ends under: a minute is enough to be ready on a busy machine. cfssl
    // rounds it to whole minutes.
    const late = secured.start(0, { flags: flagsOf(await authority.client(-0.001)) });
    await statusTells(0, /^ +config +the client certificate .* expired at \S+: replace it and its key/m);
    assert.equal(await late.stop(signal), 0);
    const daemon = secured.start(0, { flags: flagsOf(await authority.client(60 / 86_400)) });
    await daemon.ready(signal);
    await statusTells(0, /^ +certificates +the client certificate .* expired at /m, seconds(180));
    await secured.etcd.stop();
    await secured.etcd.start();
    await statusTells(0, /^ +etcd +.*the client certificate .* expired at \S+: replace it and its key/m);
    assert.equal(await daemon.stop(signal), 0);
  });

  it("tells of a certificate that is not valid yet, and not that its authority is a wrong one", async () => {
    using office = openOffice(signal);
    const { secured, authority, flagsOf, causeOf, statusTells } = await openSecured(office);
    await using _ = secured;
    const flags = flagsOf(await authority.early());
    assert.match(
      await causeOf(0, ...flags),
      /^broken: certificates: the client certificate .* is not valid before \S+, and it is \S+ here\b/,
    );
    const daemon = secured.start(0, { flags });
    await statusTells(0, /^ +config +the client certificate .* is not valid before \S+, and it is \S+ here: set the/m);
    assert.equal(await daemon.stop(signal), 0);
  });
});
