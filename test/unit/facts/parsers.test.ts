import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseFeatures } from "../../../src/facts/ethtool.ts";
import { parseNetstat, parseRoutes, prefixOf } from "../../../src/facts/proc.ts";

describe("facts from the texts of the kernel and its tools", () => {
  it("are the routes of /proc/net/route", () => {
    const text = [
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
      "eth0\t00000000\t014DA8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0",
      "flannel.1\t0002050A\t0002050A\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0",
      "eth0\t004DA8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
      "",
    ].join("\n");
    assert.deepEqual(parseRoutes(text), [
      { dev: "eth0", dst: "0.0.0.0/0" },
      { dev: "flannel.1", dst: "10.5.2.0/24" },
      { dev: "eth0", dst: "192.168.77.0/24" },
    ]);
    assert.deepEqual(parseRoutes(""), []);
  });

  it("are a counter of /proc/net/netstat, whichever pair of lines has it", () => {
    const text =
      "TcpExt: SyncookiesSent IPReversePathFilter TW\nTcpExt: 1 42 3\nIpExt: InNoRoutes OutOctets\nIpExt: 7 8\n";
    assert.deepEqual([parseNetstat(text, "IPReversePathFilter"), parseNetstat(text, "InNoRoutes")], [42, 7]);
    assert.equal(parseNetstat(text, "Nope"), null);
  });

  it("are the prefix of a daemon's command line, in every way to write it, and nothing else of it", () => {
    const line = (...words: readonly string[]) => `${["node", "flanneld.cjs", ...words].join("\0")}\0`;
    assert.equal(prefixOf(line("--etcd-prefix=/a", "--etcd-password=secret")), "/a");
    assert.equal(prefixOf(line("-etcd-prefix", "/b")), "/b");
    assert.equal(prefixOf(line("--iface=eth0")), null);
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
