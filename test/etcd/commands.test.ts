// The operator's commands on etcd: where they find it, and what they say when it does not answer.

import assert from "node:assert/strict";
import { chownSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Etcd3 } from "etcd3";
import { run } from "../../lab/run.ts";
import { CONFIG, DOCS, openCommands, succeed } from "../support/operator-commands.ts";
import { startTestEtcd } from "./etcd-fixture.ts";

const { signal } = new AbortController();
const { flanneld, shell, etcdctl, putLease, server, place } = openCommands(signal);

describe("a command on a host with the service", () => {
  /** In a mount namespace of its own, where the file is what the package's would be. */
  const withSettings = (text: string, line: string) => {
    const lay = 'mount -t tmpfs none /etc/default && printf "%s" "$SETTINGS" >/etc/default/flanneld';
    const script = `${lay} && chmod 600 /etc/default/flanneld && ${line}`;
    return place().shell(`exec unshare -m bash -c '${script}'`, { env: { SETTINGS: text }, isRoot: true });
  };

  it("finds etcd by the service's settings", async () => {
    await etcdctl(`put /elsewhere/config '${CONFIG}'`);
    const file = `FLANNEL_ETCD_ENDPOINTS="${server().endpoint}"\nFLANNEL_OPTIONS="-etcd-prefix=/elsewhere -ip-masq"\n`;
    const { key } = JSON.parse(await succeed(withSettings(file, "flanneld config get --json")));
    assert.equal(key, "/elsewhere/config");
    const own = await succeed(withSettings(file, "flanneld config get --json --etcd-prefix=/coreos.com/network"));
    assert.equal(JSON.parse(own).key, "/coreos.com/network/config");
  });

  it("says which file and variable it goes by when nobody answers there", async () => {
    const { status, stderr } = await withSettings("FLANNEL_ETCD_ENDPOINTS=http://127.0.0.1:1\n", "flanneld leases");
    assert.equal(status, 75);
    assert.match(stderr, /; the endpoints are those of FLANNEL_ETCD_ENDPOINTS in \/etc\/default\/flanneld\n$/);
  });

  it("guesses nothing when it may not read them", async () => {
    const nobody = "setpriv --reuid=65534 --clear-groups flanneld leases";
    const { status, stdout, stderr } = await withSettings("FLANNEL_ETCD_ENDPOINTS=http://127.0.0.1:1\n", nobody);
    assert.deepEqual([status, stdout], [78, ""]);
    assert.match(
      stderr,
      /^flanneld: cannot read the service's settings in \/etc\/default\/flanneld: permission denied; /,
    );
    const named = await withSettings("", `${nobody} --etcd-endpoints=${server().endpoint}`);
    assert.equal(named.status, 0, named.stderr);
  });
});

describe("etcd", () => {
  it("that is not there, or does not answer, is told with status 75", async () => {
    const away = await place().run(["leases", "--etcd-endpoints=http://127.0.0.1:1"]);
    assert.equal(away.status, 75);
    assert.match(away.stderr, /^flanneld: etcd did not answer \(reading the network config\): connect ECONNREFUSED/);
    server().freeze();
    try {
      const frozen = await flanneld("reserve", "10.5.7.0/24", "--public-ip=10.0.0.7", "--timeout=1");
      assert.equal(frozen.status, 75);
      assert.match(frozen.stderr, /no answer within 1 s from http:\/\/127\.0\.0\.1:\d+ \(--timeout waits longer\)/);
      const interrupted = await shell("timeout --preserve-status --signal=INT 2 flanneld leases");
      assert.deepEqual([interrupted.status, interrupted.stderr], [130, ""]);
    } finally {
      server().thaw();
    }
  });

  it("is not asked without a certificate file that is another user's, of whom root is told", async () => {
    const file = join(place().directory, "etcd-users.pem");
    writeFileSync(file, "", { mode: 0o600 });
    chownSync(file, 65534, 65534);
    const line = ["leases", "--etcd-endpoints=https://127.0.0.1:1", `--etcd-cafile=${file}`];
    const { status, stderr } = await place().run(line);
    assert.equal(status, 78);
    assert.match(
      stderr,
      /etcd-users\.pem: permission denied; without CAP_DAC_OVERRIDE root opens no other user's file: .*\(chown root\)$/m,
    );
  });

  it("with TLS and authentication is spoken to by the daemon's variables, and the password is not shown", async () => {
    const [cert, key] = ["server().pem", "server().key"].map((name) => join(place().directory, name)) as [
      string,
      string,
    ];
    const subject = [
      "-subj",
      "/CN=etcd",
      "-addext",
      "subjectAltName=IP:127.0.0.1,DNS:localhost",
      "-days",
      "2",
      "-nodes",
    ];
    const algorithm = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    await run(["openssl", "req", "-x509", ...subject, ...algorithm, "-keyout", key, "-out", cert], {}, signal);
    await using secure = await startTestEtcd({ tls: { certFile: cert, keyFile: key } });
    const root = new Etcd3({
      hosts: secure.endpoint.replace("127.0.0.1", "localhost"),
      credentials: { rootCertificate: readFileSync(cert) },
    });
    const role = await root.role("flannel").create();
    await role.grant({ permission: "Readwrite", range: root.range({ prefix: "/coreos.com/network/" }) });
    const [user, operator] = [await root.user("root").create("root"), await root.user("op").create("s3cret")];
    await user.addRole("root");
    await operator.addRole("flannel");
    await root.auth.authEnable();
    root.close();
    const env = {
      FLANNELD_ETCD_ENDPOINTS: secure.endpoint,
      FLANNELD_ETCD_CAFILE: cert,
      FLANNELD_ETCD_USERNAME: "op",
      FLANNELD_ETCD_PASSWORD: "s3cret",
    };
    const lines = [
      `config set '${CONFIG}'`,
      "config get",
      "config validate",
      "reserve 10.5.7.0/24 --public-ip=10.0.0.7",
      "release 10.5.7.0/24",
      "leases",
      "reserve 10.5.7.0/24",
      "release 10.5.7.0/24 --now",
    ];
    for (const line of lines) await succeed(place().shell(`flanneld ${line}`, { env }));
    const wrong = await place().run(["leases"], { env: { ...env, FLANNELD_ETCD_PASSWORD: "wr0ng" } });
    assert.equal(wrong.status, 75);
    assert.match(wrong.stderr, /authentication failed/);
    assert.doesNotMatch(wrong.stderr, /wr0ng/);
    const elsewhere = await place().run(["leases", "--etcd-prefix=/elsewhere"], { env });
    assert.deepEqual([elsewhere.status, elsewhere.stdout], [75, ""]);
    assert.match(elsewhere.stderr, /permission denied/);
  });
});

describe("a program", () => {
  it("that asks for JSON gets one document, whatever happens, with the same statuses", async () => {
    await putLease("10.5.23.0/24", "10.0.0.1");
    const lines: readonly (readonly [number, string, string])[] = [
      [64, "usage.invalid", "leases --nope"],
      [64, "usage.invalid", "leeses"],
      [65, "request.refused", "release 10.5.23.0/24 --now"],
      [75, "etcd.unavailable", "leases --etcd-endpoints=http://127.0.0.1:1"],
      [78, "config.invalid", "config get --etcd-prefix=/nowhere"],
    ];
    for (const [status, code, line] of lines) {
      const said = await flanneld(...line.split(" "), "--json");
      const { error } = JSON.parse(said.stdout);
      assert.deepEqual([said.status, error.status, error.code], [status, status, code], line);
      assert.equal(said.stderr, `${error.message}\n`.replaceAll(/^(?=.)/gm, "flanneld: "), line);
    }
  });
});

describe("the README's example", () => {
  it("is what the commands say", async () => {
    await putLease("10.5.23.0/24", "10.0.0.1", 86_000);
    await putLease("10.5.52.0/24", "10.0.0.2", 50_000);
    const readme = readFileSync(join(DOCS, "README.md"), "utf8");
    const [, example = ""] = /<!-- commands -->\n```console\n([\s\S]*?)```/.exec(readme) ?? [];
    const commands = example.split("\n").filter((line) => line.startsWith("$ "));
    assert.ok(commands.length >= 5);
    let said = "";
    for (const line of commands) said += `${line}\n${(await shell(`${line.slice(2)} 2>&1`)).stdout}`;
    const timeless = (text: string) => text.replaceAll(/\b\d\dh\d\dm/g, "00h00m");
    assert.equal(timeless(said), timeless(example));
  });
});
