import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PeerCertificate } from "node:tls";
import { withoutIpServerName } from "../../../src/etcd/ip-server-name.ts";

const certificate = (names: string) => ({ subject: { CN: "x" }, subjectaltname: names }) as unknown as PeerCertificate;

describe("the server name of a TLS connection", () => {
  it("stays when it is a name, or when there is none", () => {
    for (const options of [{ servername: "etcd.example" }, { servername: "" }, {}]) {
      assert.equal(withoutIpServerName(options), options);
    }
  });

  for (const address of ["10.0.0.1", "fd00::1"]) {
    it(`is left out when it is ${address}, which the certificate still has to hold`, () => {
      const { servername, checkServerIdentity } = withoutIpServerName({ servername: address, host: address });
      assert.equal(servername, "");
      assert.equal(checkServerIdentity?.("", certificate(`IP Address:${address}`)), undefined);
      assert.match(String(checkServerIdentity?.("", certificate("IP Address:10.9.9.9"))), /is not in the cert's list/);
      assert.match(String(checkServerIdentity?.("", certificate("DNS:etcd.example"))), /is not in the cert's list/);
    });
  }

  it("leaves the judgement to a check that somebody else has asked for", () => {
    const { checkServerIdentity } = withoutIpServerName({
      servername: "10.0.0.1",
      checkServerIdentity: (host) => new Error(`asked about ${host}`),
    });
    assert.equal(checkServerIdentity?.("", certificate("")) instanceof Error, true);
    assert.match(String(checkServerIdentity?.("", certificate(""))), /asked about 10\.0\.0\.1/);
  });
});
