import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { cancellation, etcdError, isDefinitive, isTokenFailure, wasNotSent } from "../../../src/etcd/etcd-error.ts";

const ENDPOINT = "https://10.0.0.1:2379";
const REFUSED = {
  code: 14,
  details:
    "No connection established. Last error: Error: connect ECONNREFUSED 10.0.0.1:2379. Resolution note: all failed",
};
const errorOf = (code: number, details: string) => etcdError("listing the leases", ENDPOINT, { code, details });

describe("the error for a call that failed", () => {
  it("says what went wrong and where, without what gRPC puts around it", () => {
    assert.equal(
      etcdError("listing the leases", ENDPOINT, REFUSED).message,
      "etcd did not answer (listing the leases): connect ECONNREFUSED 10.0.0.1:2379",
    );
    assert.equal(
      errorOf(14, "Channel closed before call started").message,
      "etcd did not answer (listing the leases): https://10.0.0.1:2379: the connection was given up, and is made anew",
    );
    assert.equal(
      errorOf(14, "etcdserver: no leader").message,
      "etcd did not answer (listing the leases): https://10.0.0.1:2379: no leader",
    );
  });

  it("shows one line of a certain length at most", () => {
    const { message } = errorOf(13, `Error: boom${"!".repeat(1000)}\n    at somewhere (file.js:1:1)`);
    assert.ok(message.length < 400 && !message.includes("\n"));
    assert.match(errorOf(2, "").message, /no reason given$/);
  });

  for (const [code, details] of [
    [3, "etcdserver: authentication failed, invalid user ID or password"],
    [3, "etcdserver: user name is empty"],
    [7, "etcdserver: permission denied"],
    [16, "etcdserver: invalid auth token"],
  ] as const) {
    it(`is etcd.denied for "${details}"`, () => assert.equal(errorOf(code, details).code, "etcd.denied"));
  }

  for (const [code, details] of [
    [4, "no answer within 5 s"],
    [5, "etcdserver: requested lease not found"],
    [8, "etcdserver: too many requests"],
    [12, "Received HTTP status code 404"],
    [14, "etcdserver: request timed out"],
  ] as const) {
    it(`is etcd.unavailable for "${details}"`, () => assert.equal(errorOf(code, details).code, "etcd.unavailable"));
  }

  it("is etcd.full when the quota is used up", () => {
    assert.equal(errorOf(8, "etcdserver: mvcc: database space exceeded").code, "etcd.full");
  });

  for (const details of [
    "unable to verify the first certificate",
    "self-signed certificate in certificate chain",
    "Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames: IP: 10.0.0.1 is not in the cert's list: ",
    "write EPROTO 80ACB:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/x.c:354:",
    "Client network socket disconnected before secure TLS connection was established",
    "Error: read ECONNRESET. Resolution note: ",
  ]) {
    it(`is etcd.handshake, which begins with the cause, for "${details}"`, () => {
      const error = errorOf(14, `No connection established. Last error: ${details}`);
      assert.equal(error.code, "etcd.handshake");
      assert.match(error.message, / \(listing the leases, https:\/\/10\.0\.0\.1:2379\)$/);
      assert.doesNotMatch(error.message, /did not answer|^Error|ERR_|list:;/);
    });
  }

  it("reads the same at every attempt, whatever gRPC and OpenSSL put into it", () => {
    const alert =
      "ssl3_read_bytes:sslv3 alert bad certificate:../deps/openssl/ssl/rec_layer_s3.c:1601:SSL alert number 42";
    const reasonOf = (details: string) => errorOf(14, `No connection established. Last error: ${details}`).message;
    const when = (second: number) => ` (2026-11-25T14:01:0${second}.643Z). Resolution note: `;
    const seen = [1, 2].map((n) => reasonOf(`80${n}CCA4FB27F0000:error:0A000412:SSL routines:${alert}\n${when(n)}`));
    assert.equal(new Set(seen).size, 1);
    assert.match(seen[0] ?? "", /^TLS: sslv3 alert bad certificate:SSL alert number 42 \(/);
    const ends = ["Failed to connect", "read ECONNRESET", "write EPIPE"].map((end) => reasonOf(end + when(1)));
    assert.equal(new Set(ends).size, 1);
    assert.match(ends[0] ?? "", /2379: something accepted the connection and closed it$/);
  });
});

describe("a failed call", () => {
  it("was not sent when there was no connection, and only then", () => {
    assert.ok(wasNotSent(REFUSED));
    assert.ok(wasNotSent({ code: 14, details: "Name resolution failed for target dns:nosuch.invalid:2379" }));
    assert.ok(!wasNotSent({ code: 14, details: "Connection dropped" }));
    assert.ok(!wasNotSent({ code: 4, details: "no answer within 5 s" }));
  });

  it("is the last word when etcd has answered, and not when the connection or the member is to blame", () => {
    for (const code of [3, 5, 7, 8, 9, 11, 16]) assert.ok(isDefinitive({ code, details: "" }));
    for (const code of [1, 2, 4, 12, 13, 14]) assert.ok(!isDefinitive({ code, details: "" }));
  });

  it("may be mended by a new token when the old one is not known, or there was none", () => {
    assert.ok(isTokenFailure({ code: 16, details: "etcdserver: invalid auth token" }));
    assert.ok(isTokenFailure({ code: 3, details: "etcdserver: user name is empty" }));
    assert.ok(!isTokenFailure({ code: 3, details: "etcdserver: authentication failed, invalid user ID or password" }));
    assert.ok(!isTokenFailure({ code: 7, details: "etcdserver: permission denied" }));
  });
});

describe("a watch that etcd has cancelled", () => {
  it("failed for the reason that etcd gives", () => {
    const { code, details } = cancellation("rpc error: code = PermissionDenied desc = etcdserver: permission denied");
    assert.deepEqual({ code, details }, { code: 7, details: "etcdserver: permission denied" });
    assert.equal(errorOf(code, details).code, "etcd.denied");
  });

  it("is to be tried again when the reason is unknown", () => {
    assert.deepEqual({ ...cancellation("") }.code, 14);
    assert.equal(errorOf(14, cancellation("").details).code, "etcd.unavailable");
  });
});
