import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { redact, secretsIn } from "../../../src/operator/redact.ts";

const SECRET = "hunter2-Zq9";

describe("redact()", () => {
  const removed: readonly string[] = [
    `FLANNELD_ETCD_PASSWORD=${SECRET}`,
    `FLANNELD_ETCD_PASSWORD="${SECRET} with blanks"`,
    `export ETCD_TOKEN='${SECRET}'`,
    `Environment="FLANNELD_ETCD_PASSWORD=${SECRET}" "A=b"`,
    `/usr/bin/flanneld --etcd-username=ann --etcd-password=${SECRET} --iface=eth1`,
    `/usr/bin/flanneld -etcd-password ${SECRET} -iface eth1`,
    `-etcd-password "${SECRET} x"`,
    `{"password":"${SECRET}","a":1}`,
    `{"etcd": {"authToken" : "${SECRET}"}}`,
    JSON.stringify({ config: JSON.stringify({ PSK: SECRET }) }),
    `"client_secret": "a\\"${SECRET}"`,
    `https://ann:${SECRET}@etcd.example:2379/v3`,
    `endpoints=http://${SECRET}@etcd`,
    `Authorization: Bearer ${SECRET}abcdef`,
    `passphrase: ${SECRET}`,
    `private_key=${SECRET}`,
    `api-key: ${SECRET}`,
    `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----`,
    `-----BEGIN EC PRIVATE KEY-----\n${SECRET}\nand cut off`,
    `{"pem":"-----BEGIN RSA PRIVATE KEY-----\\n${SECRET}\\n-----END RSA PRIVATE KEY-----"}`,
  ];
  for (const text of removed) {
    it(`takes the secret out of ${JSON.stringify(text)}`, () => {
      const left = redact(text);
      assert.ok(!left.includes(SECRET), left);
      assert.match(left, /\[removed\]/);
    });
  }

  it("leaves what stands around it", () => {
    assert.equal(
      redact(`flanneld --etcd-username=ann --etcd-password=${SECRET} --iface=eth1`),
      "flanneld --etcd-username=ann --etcd-password=[removed] --iface=eth1",
    );
    assert.equal(redact(`https://ann:${SECRET}@etcd:2379/v3`), "https://[removed]@etcd:2379/v3");
    assert.equal(redact(`{"a":1,"password":"${SECRET}","b":"c"}`), '{"a":1,"password":[removed],"b":"c"}');
  });

  const kept: readonly string[] = [
    "--etcd-keyfile=/etc/flanneld/ssl/flanneld-key.pem --etcd-cafile=/etc/ca.pem",
    '{"username":null,"password":null}',
    "10.5.7.0/24 via 10.5.7.0 dev flannel.1 proto 70 onlink",
    "link/ether 0a:58:0a:05:00:01 brd ff:ff:ff:ff:ff:ff",
    "http://192.168.64.1:2379",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "the password of etcd is wrong",
    "key=/coreos.com/network/config",
    "-etcd-password --iface=eth1",
  ];
  for (const text of kept) {
    it(`leaves ${JSON.stringify(text)}`, () => assert.equal(redact(text), text));
  }

  it("takes out what is known, wherever it stands and however it is written", () => {
    const secret = 'a "b" c/d';
    const texts = [`it was ${secret}.`, JSON.stringify({ said: secret }), `x=${encodeURIComponent(secret)}`];
    for (const text of texts) assert.match(redact(text, [secret]), /^[^b]*\[removed\][^b]*$/, text);
    assert.equal(redact("a cat", ["a"]), "a cat");
  });

  it("lets no password through, whatever it is made of", () => {
    const password = fc.string({ minLength: 8, maxLength: 20 }).filter((text) => !/^\s|\s$|^-/.test(text));
    fc.assert(
      fc.property(password, (secret) => {
        const known = secretsIn(`FLANNELD_ETCD_PASSWORD=${secret}\n`);
        const left = redact(`before ${secret} after ${JSON.stringify({ secret })}`, known);
        assert.ok(!left.includes(secret), left);
      }),
    );
  });
});

describe("secretsIn()", () => {
  it("reads an environment file and a process's environment", () => {
    const text = [
      "# FLANNELD_ETCD_PASSWORD=no",
      'FLANNELD_ETCD_PASSWORD="s3 cret"',
      "FLANNELD_ETCD_USERNAME=ann",
      " export MY_TOKEN='tok'",
      "EMPTY_SECRET=",
      "FLANNELD_ETCD_KEYFILE=/etc/key.pem",
    ].join("\n");
    assert.deepEqual(secretsIn(text), ["s3 cret", "tok"]);
  });
});
