// The operator's commands as an operator has them: the built program without root and without the addon, a real etcd,
// and etcdctl, with which docs/operating.md says the same can be done by hand.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { Etcd3 } from "etcd3";
import type { EtcdServer } from "../../lab/etcd.ts";
import { type Output, run } from "../../lab/run.ts";
import { type Installation, openInstallation } from "../support/installation.ts";
import { startTestEtcd } from "./etcd-fixture.ts";

const { signal } = new AbortController();
/** This file runs from dist/test/etcd. */
const DOCS = join(import.meta.dirname, "../../..");
const CONFIG = '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}';
const SUBNETS = "/coreos.com/network/subnets";
const RECORD = '{"PublicIP":"10.0.0.1","PublicIPv6":null,"BackendType":"vxlan"}';
let server: EtcdServer;
let place: Installation;

before(async () => {
  server = await startTestEtcd();
  place = openInstallation(signal);
});
after(async () => {
  place?.[Symbol.dispose]();
  await server?.[Symbol.asyncDispose]();
});

const environment = () => ({
  FLANNELD_ETCD_ENDPOINTS: server.endpoint,
  ETCDCTL_API: "3",
  ETCDCTL_ENDPOINTS: server.endpoint,
  P: "/coreos.com/network",
});
const flanneld = (...words: readonly string[]) => place.run(words, { env: environment() });
const shell = (line: string) => place.shell(line, { env: environment() });

async function succeed(output: Promise<Output>): Promise<string> {
  const { status, stdout, stderr } = await output;
  assert.deepEqual([status, stderr], [0, ""], stdout);
  return stdout;
}

const etcdctl = (line: string) => succeed(shell(`etcdctl ${line}`));

/** As a daemon writes it, under an etcd lease. */
async function putLease(subnet: string, publicIp: string, seconds = 86_400): Promise<string> {
  const mac = `02:00:00:00:00:${publicIp.split(".").at(-1)?.padStart(2, "0")}`;
  const value = `{"PublicIP":"${publicIp}","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"${mac}"}}`;
  const [, id = ""] = (await etcdctl(`lease grant ${seconds}`)).split(" ");
  await etcdctl(`put --lease=${id} ${SUBNETS}/${subnet.replace("/", "-")} '${value}'`);
  return value;
}

interface Stored {
  readonly value: string;
  readonly lease: string;
  /** What its etcd lease was granted for; null without one. */
  readonly granted: number | null;
}

/** A record as etcdctl shows it; null when there is none. */
async function stored(subnet: string): Promise<Stored | null> {
  const key = `${SUBNETS}/${subnet.replace("/", "-")}`;
  const fields = await etcdctl(`get -w fields ${key}`);
  const [, lease] = /^"Lease" : (\d+)$/m.exec(fields) ?? [];
  if (lease === undefined) return null;
  const value = (await etcdctl(`get --print-value-only ${key}`)).trimEnd();
  if (lease === "0") return { value, lease, granted: null };
  const [, granted] = /granted with TTL\((\d+)s\)/.exec(
    await etcdctl(`lease timetolive ${BigInt(lease).toString(16)}`),
  ) ?? [""];
  return { value, lease, granted: Number(granted) };
}

async function revision(): Promise<string> {
  return String(JSON.parse(await etcdctl("get -w json nothing")).header.revision);
}

/** The commands that docs/operating.md gives for a command's work by hand. */
function byHand(command: string): readonly string[] {
  const text = readFileSync(join(DOCS, "docs/operating.md"), "utf8");
  const [, block] = new RegExp(`\`\`\`sh etcdctl ${command}\n([\\s\\S]*?)\`\`\``).exec(text) ?? [];
  assert.ok(block !== undefined, command);
  return block.trimEnd().split("\n");
}

beforeEach(async () => {
  await etcdctl("del --prefix /coreos.com");
  await etcdctl(`put $P/config '${CONFIG}'`);
});

describe("the network config", () => {
  it("is printed as etcdctl prints it, and given to programs", async () => {
    assert.equal(await succeed(flanneld("config", "get")), await succeed(shell(byHand("config get").join("\n"))));
    const { text, key, modRevision } = JSON.parse(await succeed(flanneld("config", "get", "--json")));
    assert.deepEqual([text, key, modRevision], [CONFIG, "/coreos.com/network/config", await revision()]);
  });

  it("that is not there is told with status 78, and where an old one is", async () => {
    await etcdctl("del $P/config");
    const none = await flanneld("config", "get");
    assert.deepEqual([none.status, none.stdout], [78, ""]);
    assert.match(none.stderr, /^flanneld: network config at \/coreos\.com\/network\/config: there is none in etcd/);
    await using old = await startTestEtcd({ v2: true });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const url = `${old.endpoint}/v2/keys/coreos.com/network/config`;
    await fetch(url, { method: "PUT", headers, body: `value=${encodeURIComponent(CONFIG)}` });
    const env = { ...environment(), FLANNELD_ETCD_ENDPOINTS: old.endpoint };
    const { status, stderr } = await place.run(["config", "get"], { env });
    assert.equal(status, 78);
    assert.match(stderr, /v2 store only/);
    const advice = stderr.split("write it again with: ")[1] ?? "";
    await succeed(place.shell(advice, { env }));
    assert.equal(await succeed(place.run(["config", "get"], { env })), `${CONFIG}\n`);
  });

  it("is checked from a file, standard input and etcd", async () => {
    writeFileSync(join(place.directory, "net.json"), '{"Network": "10.5.0.0/16",\n "Backend": {"Type": "udp"},,}');
    const file = await shell(`flanneld config validate ${place.directory}/net.json`);
    assert.equal(file.status, 78);
    assert.match(file.stderr, /net\.json: line 2, column 29: not valid JSON: expected a name in double quotes/);
    const input = await shell(`echo '${CONFIG}' | flanneld config validate - --json`);
    const { effective } = JSON.parse(await succeed(Promise.resolve(input)));
    assert.deepEqual(effective.subnets, { count: 255, first: "10.5.1.0/24", last: "10.5.255.0/24" });
    assert.match(await succeed(flanneld("config", "validate")), /Backend\.Port +8472\n/);
  });

  it("that somebody is still typing can be interrupted", async () => {
    const typing = `mkfifo ${place.directory}/fifo && exec 3<> ${place.directory}/fifo`;
    const { status, stderr } = await shell(`${typing}; timeout --preserve-status -s INT 2 flanneld config set - <&3`);
    assert.deepEqual([status, stderr], [130, ""]);
  });

  it("is written as etcdctl would write it, and not when it is there already", async () => {
    const text = '{ "Network": "10.5.0.0/16", "Backend": { "Type": "host-gw" } }';
    writeFileSync(join(place.directory, "net.json"), `${text}\n`);
    await succeed(shell(`cd ${place.directory} && ${byHand("config set").join("\n")}`));
    assert.equal((await etcdctl("get --print-value-only $P/config")).trimEnd(), text);
    await etcdctl(`put $P/config '${CONFIG}'`);
    const set = `cd ${place.directory} && flanneld config set net.json`;
    assert.match(await succeed(shell(set)), /^Backend\.Type +vxlan +host-gw$/m);
    assert.equal((await etcdctl("get --print-value-only $P/config")).trimEnd(), text);
    const before = await revision();
    assert.match(await succeed(shell(`${set} && flanneld config set - < net.json`)), /says so already/);
    assert.equal(await revision(), before);
  });

  it("that daemons would refuse, or in which leases have no place, is refused and nothing is changed", async () => {
    await putLease("10.5.1.0/24", "10.0.0.1");
    const before = await revision();
    const invalid = await flanneld("config", "set", '{"Network": "10.5.0.0/16", "SubnetLen": 17}');
    assert.equal(invalid.status, 78);
    assert.match(invalid.stderr, /^flanneld: the given config: \$\.SubnetLen: network must be able to accommodate/);
    const narrow = '{"Network": "10.5.0.0/16", "SubnetMin": "10.5.9.0", "Backend": {"Type": "vxlan"}}';
    const excluding = await flanneld("config", "set", narrow);
    assert.equal(excluding.status, 65);
    assert.match(excluding.stderr, /^flanneld: nothing was written: with this config 1 lease would no longer fit:\n/);
    assert.match(excluding.stderr, /\n10\.5\.1\.0\/24 +10\.0\.0\.1 /);
    assert.equal(await revision(), before);
    await succeed(flanneld("config", "set", narrow, "--force", "--json"));
    assert.equal((await etcdctl("get --print-value-only $P/config")).trimEnd(), narrow);
  });
});

describe("the leases", () => {
  it("are the ones that etcdctl lists, with the time that etcd says they have left", async () => {
    await putLease("10.5.23.0/24", "10.0.0.1", 7200);
    await etcdctl(`put ${SUBNETS}/10.5.9.0-24 '{"PublicIP":"10.0.0.9"}'`);
    await etcdctl(`put ${SUBNETS}/foo bar`);
    const { leases, bad, summary } = JSON.parse(await succeed(flanneld("leases", "--json")));
    const listed = await succeed(shell(byHand("leases")[0] ?? ""));
    for (const { subnet } of leases) assert.ok(listed.includes(`${SUBNETS}/${subnet.replace("/", "-")}\n`));
    assert.deepEqual(
      leases.map(({ subnet, kind }: { subnet: string; kind: string }) => [subnet, kind]),
      [
        ["10.5.9.0/24", "reserved"],
        ["10.5.23.0/24", "leased"],
      ],
    );
    const [, fields = "", timeToLive = ""] = byHand("leases");
    const script = `LEASE=$(${fields.replace(/ +#.*/, "")} | awk -F' : ' '/^"Lease"/ {print $2}'); ${timeToLive}`;
    const [, remaining] = /remaining\((\d+)s\)/.exec(await succeed(shell(script))) ?? [];
    const ours = (Date.parse(leases[1].expires) - Date.now()) / 1000;
    assert.ok(Math.abs(ours - Number(remaining)) < 60, `${ours} ${remaining}`);
    assert.deepEqual(bad, [
      { key: "foo", reason: "its key is not a subnet without a host part, such as 10.5.52.0-24" },
    ]);
    assert.deepEqual(summary, { leased: 1, reserved: 1, bad: 1, free: 253, total: 255 });
  });

  it("are painted on a terminal, and not where NO_COLOR is set or somebody else reads", async () => {
    await putLease("10.5.23.0/24", "10.0.0.1");
    const terminal = (line: string) => succeed(shell(`script -qec '${line}' /dev/null`));
    assert.ok((await terminal("flanneld leases")).includes("\u001b[1mSUBNET"));
    assert.ok(!(await terminal("NO_COLOR=1 flanneld leases")).includes("\u001b"));
    assert.ok(!(await succeed(flanneld("leases"))).includes("\u001b"));
  });

  it("are all told, however many there are and however slowly they are read", async () => {
    const [, id = ""] = (await etcdctl("lease grant 86400")).split(" ");
    const admin = new Etcd3({ hosts: server.endpoint });
    const lease = BigInt(`0x${id}`).toString();
    for (let third = 0; third < 20; third++) {
      const puts = Array.from({ length: 100 }, (_, n) => ({
        request_put: { key: Buffer.from(`${SUBNETS}/10.${100 + n}.${third}.0-24`), value: Buffer.from(RECORD), lease },
      }));
      await admin.kv.txn({ success: puts });
    }
    admin.close();
    const reader = `node -e 'let n = 0; process.stdin.on("data", (d) => { n += d.length; process.stdin.pause(); setImmediate(() => process.stdin.resume()); }).on("end", () => console.log(n))'`;
    const size = Number(await succeed(shell(`flanneld leases | ${reader}`)));
    await shell(`flanneld leases > ${place.directory}/leases`);
    assert.equal(size, readFileSync(join(place.directory, "leases")).length);
    assert.match(
      readFileSync(join(place.directory, "leases"), "utf8"),
      /\n2000 leases, 0 reserved, 255 free of 255\n$/,
    );
  });

  it("can be read by somebody who stops reading", async () => {
    await putLease("10.5.23.0/24", "10.0.0.1");
    const { status, stderr } = await shell("set -o pipefail; flanneld leases --json | head -c 1 > /dev/null");
    assert.equal(stderr, "");
    assert.ok(status === 0 || status === 141, String(status));
  });

  it("that cannot be written down end with 74 and a sentence, as everything that is printed", async () => {
    for (const words of ["leases", "leases --json", "config get", "help", "--help", "--version"]) {
      const { status, stderr } = await shell(`flanneld ${words} >/dev/full`);
      const expected = [74, "flanneld: cannot write to standard output: no space left on the device\n"];
      assert.deepEqual([status, stderr], expected, words);
    }
  });
});

describe("a reservation", () => {
  it("of a lease is what etcdctl would make of it: the same bytes without an etcd lease", async () => {
    const value = await putLease("10.5.23.0/24", "10.0.0.1");
    await succeed(shell(byHand("reserve")[0] ?? ""));
    const expected = await stored("10.5.23.0/24");
    assert.deepEqual(expected, { value, lease: "0", granted: null });
    await putLease("10.5.23.0/24", "10.0.0.1");
    assert.match(
      await succeed(flanneld("reserve", "10.5.23.0/24")),
      /^reserved 10\.5\.23\.0\/24 for the host 10\.0\.0\.1/,
    );
    assert.deepEqual(await stored("10.5.23.0/24"), expected);
  });

  it("of a free subnet is what etcdctl would write", async () => {
    await succeed(shell(byHand("reserve")[1] ?? ""));
    const expected = await stored("10.5.77.0/24");
    await etcdctl(`del ${SUBNETS}/10.5.77.0-24`);
    const done = await succeed(flanneld("reserve", "10.5.77.0/24", "--public-ip", "10.0.0.7", "--json"));
    assert.deepEqual(JSON.parse(done).kind, "reserved");
    assert.deepEqual(await stored("10.5.77.0/24"), expected);
  });

  it("is released to what etcdctl would make of it: the same bytes under an etcd lease of 24 h", async () => {
    const value = await putLease("10.5.23.0/24", "10.0.0.1", 600);
    await succeed(flanneld("reserve", "10.5.23.0/24"));
    await succeed(shell(byHand("release").join("\n")));
    const expected = await stored("10.5.23.0/24");
    assert.deepEqual([expected?.value, expected?.granted], [value, 86_400]);
    await succeed(flanneld("reserve", "10.5.23.0/24"));
    assert.match(await succeed(flanneld("release", "10.5.23.0/24")), /it is a lease again, which ends in 24 h/);
    const { value: after, granted, lease } = (await stored("10.5.23.0/24")) ?? {};
    assert.deepEqual([after, granted], [value, 86_400]);
    assert.notEqual(lease, expected?.lease);
  });

  it("is deleted as etcdctl would delete it", async () => {
    for (const release of [byHand("release --now").join("\n"), "flanneld release --now 10.5.77.0/24"]) {
      await succeed(flanneld("reserve", "10.5.77.0/24", "--public-ip=10.0.0.7"));
      await succeed(shell(release));
      assert.equal(await stored("10.5.77.0/24"), null, release);
    }
  });

  it("is no way around records that are no leases: those are deleted by force, as etcdctl would delete them", async () => {
    for (const key of ["10.5.8.0-24", "foo bar"]) {
      await etcdctl(`put "${SUBNETS}/${key}" bar`);
      const asked = await flanneld("release", key, "--now");
      assert.equal(asked.status, 64, asked.stderr);
      assert.match(await succeed(flanneld("release", key, "--now", "--force")), /^deleted the record "/);
      assert.equal(await etcdctl(`get --keys-only "${SUBNETS}/${key}"`), "");
    }
  });

  it("that cannot be is refused with a sentence, and nothing is changed", async () => {
    await putLease("10.5.23.0/24", "10.0.0.1");
    const before = await revision();
    const leases = await etcdctl("lease list");
    const cases: readonly (readonly [number, string])[] = [
      [65, "reserve 10.6.1.0/24 --public-ip=10.0.0.9"],
      [65, "reserve 10.5.24.0/25 --public-ip=10.0.0.9"],
      [65, "reserve 10.5.23.0/24 --public-ip=10.0.0.9"],
      [65, "reserve 10.5.24.0/24 --public-ip=10.0.0.1"],
      [64, "reserve 10.5.24.9/24 --public-ip=10.0.0.9"],
      [64, "reserve 10.5.24.0/24"],
      [64, "reserve"],
      [65, "release 10.5.23.0/24 --now"],
      [64, "release ten"],
    ];
    for (const [status, line] of cases) {
      const refused = await flanneld(...line.split(" "));
      assert.deepEqual([refused.status, refused.stdout], [status, ""], line);
      assert.match(refused.stderr, /^flanneld: .+\n$/, line);
    }
    assert.deepEqual([await revision(), await etcdctl("lease list")], [before, leases]);
  });

  it("that is made or released twice is the second time left as it is, with status 0", async () => {
    await putLease("10.5.23.0/24", "10.0.0.1");
    for (const line of ["reserve 10.5.23.0/24", "release 10.5.23.0/24", "release 10.5.23.0/24 --force"]) {
      await succeed(flanneld(...line.split(" ")));
      const before = await revision();
      assert.match(await succeed(flanneld(...line.split(" "))), /; nothing was changed\n$/, line);
      assert.equal(await revision(), before, line);
    }
  });

  it("goes to one of many hosts for which the subnet is asked for at once", async () => {
    const hosts = Array.from({ length: 6 }, (_, n) => `10.0.0.${n + 1}`);
    const outcomes = await Promise.all(hosts.map((ip) => flanneld("reserve", "10.5.7.0/24", `--public-ip=${ip}`)));
    const winners = hosts.filter((_, n) => outcomes[n]?.status === 0);
    assert.equal(winners.length, 1, JSON.stringify(outcomes));
    assert.ok((await stored("10.5.7.0/24"))?.value.includes(`"${winners[0]}"`));
    for (const { status } of outcomes) assert.ok(status === 0 || status === 65, String(status));
  });
});

describe("a command on a host with the service", () => {
  /** In a mount namespace of its own, where the file is what the package's would be. */
  const withSettings = (text: string, line: string) => {
    const lay = 'mount -t tmpfs none /etc/default && printf "%s" "$SETTINGS" >/etc/default/flanneld';
    const script = `${lay} && chmod 600 /etc/default/flanneld && ${line}`;
    return place.shell(`exec unshare -m bash -c '${script}'`, { env: { SETTINGS: text }, isRoot: true });
  };

  it("finds etcd by the service's settings", async () => {
    await etcdctl(`put /elsewhere/config '${CONFIG}'`);
    const file = `FLANNEL_ETCD_ENDPOINTS="${server.endpoint}"\nFLANNEL_OPTIONS="-etcd-prefix=/elsewhere -ip-masq"\n`;
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
    const named = await withSettings("", `${nobody} --etcd-endpoints=${server.endpoint}`);
    assert.equal(named.status, 0, named.stderr);
  });
});

describe("etcd", () => {
  it("that is not there, or does not answer, is told with status 75", async () => {
    const away = await place.run(["leases", "--etcd-endpoints=http://127.0.0.1:1"]);
    assert.equal(away.status, 75);
    assert.match(away.stderr, /^flanneld: etcd did not answer \(reading the network config\): connect ECONNREFUSED/);
    server.freeze();
    try {
      const frozen = await flanneld("reserve", "10.5.7.0/24", "--public-ip=10.0.0.7", "--timeout=1");
      assert.equal(frozen.status, 75);
      assert.match(frozen.stderr, /no answer within 1 s from http:\/\/127\.0\.0\.1:\d+ \(--timeout waits longer\)/);
      const interrupted = await shell("timeout --preserve-status --signal=INT 2 flanneld leases");
      assert.deepEqual([interrupted.status, interrupted.stderr], [130, ""]);
    } finally {
      server.thaw();
    }
  });

  it("with TLS and authentication is spoken to by the daemon's variables, and the password is not shown", async () => {
    const [cert, key] = ["server.pem", "server.key"].map((name) => join(place.directory, name)) as [string, string];
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
    for (const line of lines) await succeed(place.shell(`flanneld ${line}`, { env }));
    const wrong = await place.run(["leases"], { env: { ...env, FLANNELD_ETCD_PASSWORD: "wr0ng" } });
    assert.equal(wrong.status, 75);
    assert.match(wrong.stderr, /authentication failed/);
    assert.doesNotMatch(wrong.stderr, /wr0ng/);
    const elsewhere = await place.run(["leases", "--etcd-prefix=/elsewhere"], { env });
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
