// How a daemon comes by its IPv6 address when it starts.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openCluster, PREFIX } from "../support/cluster.ts";
import { LIMIT } from "../support/overlay-host.ts";

const { signal } = new AbortController();
const IPV4 = { Network: "10.5.0.0/16", SubnetMax: "10.5.199.0" };
const IPV6 = { EnableIPv6: true, IPv6Network: "fd00:10:5::/48", IPv6SubnetMax: "fd00:10:5:c7::" };
const ONLY_IPV6 = { ...IPV6, EnableIPv4: false };

describe("a host that boots", () => {
  it("waits for an IPv6 address that comes a moment after the start", async () => {
    const config = { ...IPV4, ...IPV6, Backend: { Type: "vxlan" } };
    const cluster = await openCluster(1, config, signal, { ipv6: true });
    try {
      await cluster.on(0, "ip", "-6", "addr", "flush", "dev", "eth0");
      const daemon = cluster.start(0);
      await daemon.waitForLog(/network config/, LIMIT, signal);
      await cluster.on(0, "ip", "addr", "add", "fe80::11/64", "dev", "eth0", "nodad");
      assert.ok(daemon.running());
      await cluster.on(0, "ip", "addr", "add", "fd77::11/64", "dev", "eth0", "nodad");
      await daemon.ready(signal);
      assert.match(daemon.log(), /underlay interface .*publicIpv6=fd77::11/);
    } finally {
      await cluster[Symbol.asyncDispose]();
    }
  });
});

describe("--public-ipv6", () => {
  it("chooses the interface that has it, and is what peers send to", async () => {
    const config = { ...ONLY_IPV6, Backend: { Type: "vxlan" } };
    const cluster = await openCluster(1, config, signal, { ipv6: true });
    try {
      await cluster.on(0, "ip", "addr", "add", "fd77::77/64", "dev", "eth0", "nodad");
      const daemon = cluster.start(0, { choosesInterface: true, flags: ["--public-ipv6=fd77::77"] });
      await daemon.ready(signal);
      assert.match(await cluster.on(0, "ip", "-d", "link", "show", "flannel-v6.1"), /local fd77::77 dev eth0/);
      const records = await cluster.etcdctl("get", "--prefix", `${PREFIX}/subnets/`, "--print-value-only");
      assert.match(records, /"PublicIPv6":"fd77::77"/);
    } finally {
      await cluster[Symbol.asyncDispose]();
    }
  });
});
