import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { parseTarGzip } from "nanotar";
import { createFakeDesk } from "../../support/control.ts";
import { type OperatorDesk, openDesk } from "../../support/operator.ts";
import { snapshotOf } from "../../support/snapshots.ts";

const PASSWORD = "c0rrect-h0rse";
let desk: OperatorDesk;

beforeEach(() => {
  desk = openDesk();
});

/** By name, without the directory in which all are. */
async function contents(path: string): Promise<ReadonlyMap<string, string>> {
  const bytes = desk.written.get(path);
  assert.ok(bytes, path);
  const files = await parseTarGzip(bytes);
  return new Map(files.map(({ name, text }) => [name.slice(name.indexOf("/") + 1), text]));
}

describe("bugreport", () => {
  it("has what the daemon says, files, and what programs print, and lists what is missing", async () => {
    const daemon = createFakeDesk();
    daemon.events.record("info", "flannel is ready", {});
    desk.daemons.set("/run/flannel/flanneld.sock", daemon);
    desk.files.set("/etc/default/flanneld", "FLANNEL_ETCD_PREFIX=/x\n");
    desk.files.set("/proc/4242/cmdline", "flanneld\0--iface=eth1\0");
    desk.programs.set("ip rule", { kind: "ended", status: 0, stdout: "0: from all lookup local\n", stderr: "" });
    desk.programs.set("bridge fdb", { kind: "ended", status: 1, stdout: "", stderr: "not permitted\n" });
    const { status, out, err } = await desk.run("bugreport", "/tmp/x.tar.gz");
    assert.deepEqual([status, err], [0, ""]);
    assert.match(out, /^wrote \/tmp\/x\.tar\.gz \(.* KiB, \d+ files\)\nPasswords, keys and tokens are removed/);
    const files = await contents("/tmp/x.tar.gz");
    assert.deepEqual(JSON.parse(files.get("daemon/status.json") ?? ""), daemon.snapshot);
    assert.match(files.get("daemon/status.txt") ?? "", /^flanneld dev {2}ready/);
    assert.match(files.get("daemon/events.json") ?? "", /flannel is ready/);
    assert.equal(files.get("files/etc/default/flanneld"), "FLANNEL_ETCD_PREFIX=/x\n");
    assert.equal(files.get("process/4242/cmdline"), "flanneld --iface=eth1 ");
    assert.equal(files.get("kernel/ip-rule.txt"), "$ ip rule\n0: from all lookup local\n");
    assert.equal(files.get("kernel/bridge-fdb.txt"), "$ bridge fdb\nnot permitted\nstatus 1\n");
    const manifest = files.get("manifest.txt") ?? "";
    assert.match(manifest, /^flanneld bugreport of host-1, 2024-01-01T00:00:00\.000Z$/m);
    assert.match(manifest, /^kernel\/ip-rule\.txt$/m);
    assert.match(manifest, /^files\/etc\/sysconfig\/flanneld: missing: no such file$/m);
    assert.match(manifest, /^firewall\/nft\.txt: missing: there is no nft in the PATH$/m);
  });

  it("is written also when no daemon answers, under a name of its own", async () => {
    const { status, out } = await desk.run("bugreport", "--json");
    assert.equal(status, 0);
    const path = "flanneld-bugreport-host-1-20240101T000000Z.tar.gz";
    assert.equal(JSON.parse(out).path, path);
    const files = await contents(path);
    assert.match(files.get("manifest.txt") ?? "", /^daemon: missing: no flanneld answers at \/run\/flannel/m);
  });

  it("goes on when a daemon makes no sense, or does not answer", async () => {
    desk.daemons.set("/run/flannel/flanneld.sock", createFakeDesk({ schema: 1 } as never));
    desk.daemons.set("/run/flannel/flanneld-blue.sock", createFakeDesk({ schema: 2 } as never));
    const broken = createFakeDesk();
    broken.status = async () => await Promise.reject(new Error("socket hang up"));
    desk.daemons.set("/run/flannel/flanneld-red.sock", broken);
    assert.equal((await desk.run("bugreport", "/tmp/x.tar.gz")).status, 0);
    const manifest = (await contents("/tmp/x.tar.gz")).get("manifest.txt") ?? "";
    assert.match(manifest, /^daemon: missing: /m);
    assert.match(manifest, /^daemon-2: missing: .* is no flanneld, or of another version$/m);
    assert.match(manifest, /^daemon-3: missing: /m);
    assert.match(manifest, /^kernel\/ip-rule\.txt/m);
  });

  it("holds no secret, wherever one was put", async () => {
    const config = JSON.stringify({ Network: "10.5.0.0/16", Backend: { Type: "ipsec", PSK: "pre-shared-one" } });
    const network = { prefix: "/x", configKey: "/x/config", ipv4: "10.5.0.0/16", ipv6: null, config };
    const daemon = createFakeDesk(snapshotOf({ network }));
    daemon.events.record("warn", "cannot", { reason: `GET https://ann:url-secret@etcd/ with ${PASSWORD}` });
    desk.daemons.set("/run/flannel/flanneld.sock", daemon);
    desk.files.set("/etc/sysconfig/flanneld", `FLANNELD_ETCD_PASSWORD="${PASSWORD}"\n`);
    desk.files.set("/proc/4242/environ", "PATH=/bin\0FLANNELD_ETCD_PASSWORD=from-the-environment\0");
    desk.files.set("/proc/4242/cmdline", "flanneld\0--etcd-password\0-on the line\0--etcd-password=on-the-line-2,b\0");
    desk.files.set("/etc/default/flanneld", `FLANNEL_OPTIONS="-etcd-password='in, options'"\n`);
    desk.programs.set("systemctl status --no-pager --full flanneld.service", {
      kind: "ended",
      status: 0,
      stdout: "CGroup: 1 flanneld --etcd-password -on the line --etcd-password=on-the-line-2,b\nin, options\n",
      stderr: "",
    });
    const journal = "journalctl -u flanneld.service -n 5000 --no-pager -o short-iso";
    const stdout = `it said ${PASSWORD} and from-the-environment\n-----BEGIN PRIVATE KEY-----\nMIIkey\n-----END PRIVATE KEY-----\n`;
    desk.programs.set(journal, { kind: "ended", status: 0, stdout, stderr: "" });
    desk.programs.set("systemctl cat flanneld.service", {
      kind: "ended",
      status: 0,
      stdout: 'Environment="FLANNELD_ETCD_PASSWORD=in-the-unit"\nExecStart=flanneld -etcd-password "in the;start"\n',
      stderr: "",
    });
    await desk.run("bugreport", "/tmp/x.tar.gz");
    const files = await contents("/tmp/x.tar.gz");
    const secrets = [
      PASSWORD,
      "from-the-environment",
      "the line",
      "on-the-line",
      "2,b",
      "options'",
      ", options",
      "the;start",
      "url-secret",
      "pre-shared-one",
      "MIIkey",
      "in-the-unit",
    ];
    for (const [name, text] of files) {
      for (const secret of secrets) assert.ok(!text.includes(secret), `${secret} is in ${name}: ${text}`);
    }
    for (const name of [
      "files/etc/sysconfig/flanneld",
      "process/4242/cmdline",
      "service/journal.txt",
      "service/unit.txt",
    ]) {
      assert.match(files.get(name) ?? "", /\[removed\]/, name);
    }
    assert.match(files.get("daemon/events.json") ?? "", /\[removed\]/);
    assert.match(files.get("daemon/status.json") ?? "", /Network.*\[removed\]/);
  });

  it("goes on without a program that does not end", async () => {
    desk.programs.set("ip rule", { kind: "ended", status: 0, stdout: "x", stderr: "" });
    const { get } = desk.programs;
    desk.programs.get = (line) => (line === "lsmod" ? (new Promise(() => {}) as never) : get.call(desk.programs, line));
    const running = desk.run("bugreport", "/tmp/x.tar.gz", "--timeout=2");
    while (!desk.written.has("/tmp/x.tar.gz")) {
      await new Promise((resolve) => setImmediate(resolve));
      if (desk.clock.sleepers() === 1) await desk.clock.advance(2000);
    }
    await running;
    const files = await contents("/tmp/x.tar.gz");
    assert.match(files.get("manifest.txt") ?? "", /^kernel\/modules\.txt: missing: nothing within 2 s$/m);
    assert.ok(files.has("kernel/ip-rule.txt"));
  });
});
