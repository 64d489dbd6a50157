import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { REMOVED, redact } from "../../../src/operator/redact.ts";
import {
  secretsIn,
  secretsInCommandLine,
  secretsInEnvironment,
  secretsInFile,
  secretsInUnit,
  showCommandLine,
} from "../../../src/operator/secrets.ts";

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
    `--etcd-password=a1,${SECRET};c3&d4`,
    `-etcd-password a1,${SECRET}`,
    `--etcd-password -X${SECRET}`,
    `-etcd-password --iface=${SECRET}`,
    `FLANNEL_OPTIONS="-etcd-password=Ab,${SECRET}"`,
    `FLANNELD_ETCD_PASSWORD=a1,b2;${SECRET}`,
    `FLANNELD_ETCD_PASSWORD=null-${SECRET}`,
    `https://ann:p@ss/${SECRET}@etcd`,
    `http://a:2379,https://ann:p@ss,${SECRET}@etcd`,
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
    assert.equal(
      redact(`http://a:2379,http://ann:${SECRET}@b:2379,http://c`),
      "http://a:2379,http://[removed]@b:2379,http://c",
    );
    assert.equal(
      redact(`FLANNEL_OPTIONS="-etcd-password=${SECRET}" "A=b"`),
      'FLANNEL_OPTIONS="-etcd-password=[removed]" "A=b"',
    );
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

  it("takes no longer than its text is long", { timeout: 20_000 }, () => {
    const long = "a".repeat(100_000);
    for (const text of [`${long}://${long}`, `--${long}`, "http://".repeat(20_000)]) assert.equal(redact(text), text);
  });

  it("lets no password of a command line through, whatever it is made of", () => {
    const unit = fc.constantFrom(..."aB1 ,;&@/\\\"'=-:%$é\t");
    // As many as that are an ordinary word, and are taken out only where a flag says that they are a secret.
    const password = fc.oneof(fc.string({ minLength: 4, unit }), fc.string({ minLength: 4, unit: "binary" }));
    const fits = (text: string) => !text.includes("\0") && /[^\s[\]]{3}/.test(text) && !REMOVED.includes(text);
    fc.assert(
      fc.property(password.filter(fits), fc.boolean(), (given, isOneWord) => {
        const secret = Buffer.from(given).toString();
        const flag = isOneWord ? `--etcd-password=${secret}` : `--etcd-password\0${secret}`;
        const line = `flanneld\0${flag}\0--iface=eth1\0`;
        const known = secretsInCommandLine(line);
        const texts = [
          showCommandLine(line, REMOVED),
          line.replaceAll("\0", " "),
          `before ${secret} after ${JSON.stringify({ secret })} ${encodeURIComponent(secret)}`,
        ];
        const left = redact(texts.join("\n"), known);
        for (const form of [secret, JSON.stringify(secret).slice(1, -1)]) assert.ok(!left.includes(form), left);
      }),
    );
  });
});

describe("showCommandLine()", () => {
  it("has the words, and no secret however short", () => {
    const line = "flanneld\0--etcd-password=a,\0--etcd-password\0b,\0--iface=eth1\0";
    assert.equal(
      showCommandLine(line, REMOVED),
      "flanneld --etcd-password=[removed] --etcd-password [removed] --iface=eth1 ",
    );
  });
});

describe("what is known to be a secret", () => {
  it("is found on a command line by its flag, and in URLs", () => {
    const line =
      "flanneld\0-etcd-password\0-X y\0--etcd-password=a,b\0--etcd-endpoints=http://a,https://ann:p@ss/w@etcd\0";
    assert.deepEqual(secretsInCommandLine(line), ["-X y", "a,b", "ann:p@ss/w", "p@ss/w"]);
  });

  it("is found in the flags of a variable", () => {
    const options = `-iface=eth1 -etcd-password='Ab, cdef' -ip-masq`;
    assert.deepEqual(secretsInFile(`FLANNEL_OPTIONS="${options}"\n`), ["Ab, cdef"]);
    assert.deepEqual(secretsInEnvironment(`A=b\0FLANNEL_OPTIONS=${options}\0FLANNELD_ETCD_PASSWORD=x\ny\0`), [
      "Ab, cdef",
      "x\ny",
    ]);
  });

  it("is found in a unit", () => {
    const text = [
      "[Service]",
      'Environment="FLANNELD_ETCD_PASSWORD=a,b c" A=b',
      "ExecStart=/usr/bin/flanneld \\",
      '  -etcd-password "d; e" $FLANNEL_OPTIONS',
    ];
    assert.deepEqual(secretsInUnit(text.join("\n")), ["a,b c", "d; e"]);
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
