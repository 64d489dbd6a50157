// What is told of a real etcd without its API: its clock, and the certificates.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { EtcdServer } from "../../lab/etcd.ts";
import type { EpochMillis } from "../../src/base/brand.ts";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import type { EtcdOptions, TlsOptions } from "../../src/cli/options.ts";
import { readEtcdCheckup } from "../../src/etcd/checkup.ts";
import { type Authority, type Office, openOffice } from "../support/certificates.ts";
import { startTestEtcd } from "./etcd-fixture.ts";

const { signal } = new AbortController();
const DAY = 86_400_000;
const NONE: TlsOptions = { caFile: null, certFile: null, keyFile: null };
/** A busy machine may take a while between the question and the answer. */
const TOLERANCE = 5000;

function optionsFor(endpoints: readonly string[], tls: TlsOptions = NONE): EtcdOptions {
  return { endpoints, prefix: "/coreos.com/network", tls, auth: null };
}

/** This host's clock, set by so much. */
function clockSetBy(millis: number): Clock {
  return { ...systemClock, now: () => (systemClock.now() + millis) as EpochMillis };
}

describe("a look at etcd's servers", () => {
  let office: Office;
  let authority: Authority;
  let plain: EtcdServer;
  let secure: EtcdServer;

  before(async () => {
    office = openOffice(signal);
    authority = await office.authority("etcd-ca");
    plain = await startTestEtcd();
    const server = await authority.server(["127.0.0.1"], 40);
    secure = await startTestEtcd({ tls: { ...server, clientCaFile: authority.caFile } });
  });
  after(async () => {
    await plain?.[Symbol.asyncDispose]();
    await secure?.[Symbol.asyncDispose]();
    office?.[Symbol.dispose]();
  });

  it("tells how far the clocks are apart, and which way", async () => {
    for (const set of [0, 3_600_000, -3_600_000]) {
      const { clocks, certificates, problem } = await readEtcdCheckup(
        optionsFor([plain.endpoint]),
        clockSetBy(set),
        signal,
      );
      assert.deepEqual([clocks.length, certificates, problem], [1, [], null]);
      assert.ok(Math.abs((clocks[0]?.ahead ?? Number.NaN) - set) < TOLERANCE, `${clocks[0]?.ahead} for ${set}`);
    }
  });

  it("tells them over TLS, also with a client certificate that has expired, and when every certificate ends", async () => {
    const client = await authority.client(-0.001);
    const tls = { caFile: authority.caFile, ...client };
    const { clocks, certificates } = await readEtcdCheckup(optionsFor([secure.endpoint], tls), systemClock, signal);
    const days = Object.fromEntries(
      certificates.map(({ whose, expires }) => [whose, Math.round((expires - systemClock.now()) / DAY)]),
    );
    assert.deepEqual([days["client"], days["server"], days["authority"]], [-0, 40, 365]);
    // cfssl: five minutes before they were made.
    for (const { name, begins } of certificates) {
      assert.ok(begins < systemClock.now() && begins > systemClock.now() - DAY, name);
    }
    // etcd ends the handshake of such a client: its clock is told by one that it accepts.
    const accepted = { caFile: authority.caFile, ...(await authority.client()) };
    const again = await readEtcdCheckup(optionsFor([secure.endpoint], accepted), systemClock, signal);
    assert.deepEqual([clocks.length, again.clocks.length], [0, 1]);
  });

  it("tells nothing of a server that is not there, and why files are of no use", async () => {
    const away = await readEtcdCheckup(optionsFor(["http://127.0.0.1:1"]), systemClock, signal);
    assert.deepEqual(away, { problem: null, certificates: [], clocks: [] });
    const tls = { ...NONE, caFile: "/nonexistent/ca.pem" };
    const { problem } = await readEtcdCheckup(optionsFor([secure.endpoint], tls), systemClock, signal);
    assert.match(problem ?? "", /\/nonexistent\/ca\.pem.*/);
  });
});
