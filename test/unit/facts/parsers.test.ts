import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { daemonSettings, lockedDevices, lockedPrefixes, unseenPrefixes } from "../../../src/facts/daemon-line.ts";
import { parseFeatures } from "../../../src/facts/ethtool.ts";
import { parseNetstat, parseRoutes, parseRoutes6 } from "../../../src/facts/proc.ts";

describe("facts from the texts of the kernel and its tools", () => {
  it("are the routes of /proc/net/route", () => {
    const text = [
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
      "eth0\t00000000\t014DA8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0",
      "flannel.1\t0002050A\t0002050A\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0",
      "eth0\t004DA8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
      "",
    ].join("\n");
    assert.deepEqual(
      parseRoutes(text, () => true),
      [
        { dev: "eth0", dst: "0.0.0.0/0" },
        { dev: "flannel.1", dst: "10.5.2.0/24" },
        { dev: "eth0", dst: "192.168.77.0/24" },
      ],
    );
    assert.deepEqual(
      parseRoutes(text, ({ dev }) => dev === "flannel.1"),
      [{ dev: "flannel.1", dst: "10.5.2.0/24" }],
    );
    assert.deepEqual(
      parseRoutes("", () => true),
      [],
    );
  });

  it("are the routes of /proc/net/ipv6_route that lead to others", () => {
    const route = (dst: string, length: string, flags: string, dev: string) => {
      const none = "0".repeat(32);
      return `${dst.padEnd(32, "0")} ${length} ${none} 00 ${none} 00000400 00000001 00000000 ${flags} ${dev.padStart(8)}`;
    };
    const text = [
      route("fd", "08", "00000003", "eth1"),
      route("fd0000050000000700", "40", "00000001", "flannel-v6.1"),
      route("", "00", "00000003", "eth0"),
      route("fd77", "80", "80200001", "eth0"),
      route("fd77", "80", "80300001", "eth0"),
      route("", "00", "00200200", "lo"),
      "",
    ].join("\n");
    assert.deepEqual(parseRoutes6(text), [
      { dev: "eth1", dst: "fd00::/8" },
      { dev: "flannel-v6.1", dst: "fd00:5:0:7::/64" },
      { dev: "eth0", dst: "::/0" },
    ]);
    assert.deepEqual(parseRoutes6(""), []);
  });

  it("are a counter of /proc/net/netstat, whichever pair of lines has it", () => {
    const text =
      "TcpExt: SyncookiesSent IPReversePathFilter TW\nTcpExt: 1 42 3\nIpExt: InNoRoutes OutOctets\nIpExt: 7 8\n";
    assert.deepEqual([parseNetstat(text, "IPReversePathFilter"), parseNetstat(text, "InNoRoutes")], [42, 7]);
    assert.equal(parseNetstat(text, "Nope"), null);
  });

  it("are the flags of a daemon, in every way to write them, and nothing else of it", () => {
    const line = (...words: readonly string[]) => `${["node", "flanneld.cjs", ...words].join("\0")}\0`;
    const read = (words: readonly string[], environ: readonly string[] = []) => {
      const found = Object.entries(daemonSettings(line(...words), environ.join("\0")));
      return found.map(([name, { values, written }]) => [name, values.join(" "), written]);
    };
    assert.deepEqual(read(["--etcd-prefix=/a", "--etcd-password=secret", "--etcd-username", "me"]), [
      ["etcd-prefix", "/a", "--etcd-prefix"],
    ]);
    assert.deepEqual(read(["--etcd-endpoints=http://e:2379", "-etcd-cafile", "ca.pem"]), [
      ["etcd-endpoints", "http://e:2379", "--etcd-endpoints"],
      ["etcd-cafile", "ca.pem", "--etcd-cafile"],
    ]);
    assert.deepEqual(read(["-iface", "eth1", "--iface=eth2", "-public-ip="]), [["iface", "eth1 eth2", "--iface"]]);
    assert.deepEqual(
      read(["--state-dir=/s"], ["FLANNELD_STATE_DIR=/t", "FLANNELD_SUBNET_FILE=/e", "FLANNELD_ETCD_PASSWORD=secret"]),
      [
        ["subnet-file", "/e", "FLANNELD_SUBNET_FILE"],
        ["state-dir", "/s", "--state-dir"],
      ],
    );
  });

  it("are the networks whose lock is held, by inode", () => {
    const row = (inode: number, path: string) =>
      `0000000000000000: 00000002 00000000 00010000 0001 01 ${inode}${path && ` ${path}`}`;
    const digest = "0123456789abcdef".repeat(4);
    const text = [
      "Num       RefCount Protocol Flags    Type St Inode Path",
      row(701, "@flanneld /coreos.com/network"),
      row(702, "@flanneld /a b"),
      row(703, `@flanneld ${digest}`),
      row(704, "/run/flannel/flanneld.sock"),
      row(705, ""),
      row(706, "@flanneld device flannel.1"),
      "",
    ].join("\n");
    assert.deepEqual(
      [...lockedPrefixes(text)],
      [
        ["701", "/coreos.com/network"],
        ["702", "/a b"],
      ],
    );
    assert.deepEqual(lockedDevices(text), ["flannel.1"]);
  });

  it("are the networks whose lock nobody holds who was seen, if it was held all the time", () => {
    const before = new Map([
      ["701", "/seen"],
      ["702", "/hidden"],
      ["703", "/ended"],
      ["704", "/restarted"],
    ]);
    const after = new Map([
      ["701", "/seen"],
      ["702", "/hidden"],
      ["705", "/restarted"],
      ["706", "/started"],
    ]);
    assert.deepEqual(unseenPrefixes(before, after, [{ prefix: "/seen" }, { prefix: null }]), ["/hidden"]);
  });

  it("are the features of a device as ethtool prints them", () => {
    const text =
      "Features for eth0:\nrx-checksumming: on\ntx-checksumming: on\n\ttx-checksum-ipv4: off [fixed]\n\ttx-checksum-ip-generic: on\n";
    assert.deepEqual(parseFeatures(text), {
      "rx-checksumming": true,
      "tx-checksumming": true,
      "tx-checksum-ipv4": false,
      "tx-checksum-ip-generic": true,
    });
  });
});
