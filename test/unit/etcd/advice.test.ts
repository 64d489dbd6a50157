import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EpochMillis } from "../../../src/base/brand.ts";
import type { EtcdOptions } from "../../../src/cli/options.ts";
import { type Situation, withAdvice } from "../../../src/etcd/advice.ts";
import { ENDED_BEFORE_HTTP, ENDED_BEFORE_TLS } from "../../../src/etcd/etcd-error.ts";
import type { CertificateExpiry } from "../../../src/subnet/lease-store.ts";

const OPTIONS: EtcdOptions = {
  endpoints: ["https://10.0.0.1:2379"],
  prefix: "/coreos.com/network",
  tls: { caFile: "/etc/ca.pem", certFile: "/etc/client.pem", keyFile: "/etc/client.key" },
  auth: { username: "flannel", password: "s3cret" },
};
const CLIENT: CertificateExpiry = {
  whose: "client",
  name: "c",
  begins: 500 as EpochMillis,
  expires: 2000 as EpochMillis,
};
const SITUATION: Situation = {
  options: OPTIONS,
  tls: { ca: null, client: null, expiries: [CLIENT] },
  now: 1000 as EpochMillis,
};
const BARE: EtcdOptions = { ...OPTIONS, tls: { caFile: null, certFile: null, keyFile: null }, auth: null };
const LATE: Situation = { ...SITUATION, now: 3000 as EpochMillis };
const EARLY: Situation = { ...SITUATION, now: 400 as EpochMillis };
const NOBODY: Situation = { ...SITUATION, options: BARE };

describe("advice about a failure", () => {
  const cases: readonly (readonly [string, Situation, RegExp])[] = [
    [
      "TLS: sslv3 alert bad certificate:SSL alert number 42",
      NOBODY,
      /demands a client certificate: set -etcd-certfile/,
    ],
    ["TLS: tlsv13 alert certificate required:SSL alert number 116", NOBODY, /demands a client certificate/],
    ["TLS: sslv3 alert bad certificate:SSL alert number 42", LATE, /\/etc\/client\.pem expired at 1970-01-01T00:00:02/],
    [
      "TLS: sslv3 alert bad certificate:SSL alert number 42",
      EARLY,
      /\/etc\/client\.pem is not valid before 1970-01-01T00:00:00\.500Z, and it is 1970-01-01T00:00:00\.400Z here/,
    ],
    [
      "TLS: tlsv1 alert unknown ca:SSL alert number 48",
      SITUATION,
      /does not accept the client certificate \/etc\/client/,
    ],
    [
      "certificate has expired",
      SITUATION,
      /^the certificate of the etcd server, or of its authority, has expired: renew/,
    ],
    ["certificate is not yet valid", SITUATION, /compare the clock/],
    [
      "Hostname/IP does not match certificate's altnames: x",
      SITUATION,
      /altnames: x; name the server in -etcd-endpoints/,
    ],
    ["unable to verify the first certificate", SITUATION, /no authority in \/etc\/ca\.pem \(-etcd-cafile\) has signed/],
    ["self-signed certificate in certificate chain", NOBODY, /name the one that has with -etcd-cafile/],
    ["TLS: wrong version number", SITUATION, /^TLS could not be agreed on: if this etcd has no TLS, write http:\/\//],
    [ENDED_BEFORE_TLS, SITUATION, /^TLS could not be agreed on: if this etcd has no TLS, write http:\/\//],
    [ENDED_BEFORE_HTTP, { ...SITUATION, tls: null }, /closed it; if this etcd has TLS, write https:\/\//],
    [ENDED_BEFORE_HTTP, SITUATION, /closed it; etcd's log says why$/],
    [
      "authentication failed, invalid user ID or password",
      SITUATION,
      /check -etcd-username and FLANNELD_ETCD_PASSWORD/,
    ],
    ["user name is empty", NOBODY, /set -etcd-username and FLANNELD_ETCD_PASSWORD/],
    ["permission denied", SITUATION, /the user flannel a role .* readwrite --prefix=true \/coreos\.com\/network\/$/],
    ["permission denied", NOBODY, /the user in the name \(CN\) of the client certificate/],
    ["mvcc: database space exceeded", SITUATION, /compact its history, defragment every member, .* alarm disarm/],
  ];
  for (const [reason, situation, expected] of cases) {
    it(`is given for "${reason}"${situation === LATE ? ", late" : ""}${situation === EARLY ? ", early" : ""}${situation === NOBODY ? ", from nobody" : ""}`, () => {
      const sentence = withAdvice({ details: `etcdserver: ${reason}` }, reason, situation);
      assert.match(sentence, expected);
      assert.ok(!sentence.includes("s3cret"));
    });
  }

  it("is none for what heals by itself", () => {
    for (const reason of ["connect ECONNREFUSED 10.0.0.1:2379", "no leader", "no answer within 5 s"]) {
      assert.equal(withAdvice({ details: reason }, reason, SITUATION), reason);
    }
  });
});
