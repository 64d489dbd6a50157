// The udp data path between two real TUN devices, over IPv4 and over IPv6: what the kernel hands to it and takes from it
// of each version. Every byte that is transferred is checked.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { describe, it } from "node:test";
import { attempt } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { DATAPATH_FEATURES, type DatapathFeature } from "../../src/base/datapath.ts";
import { parseIpv6 } from "../../src/base/ipv6.ts";
import { udpPortHolder } from "../../src/netlink/udp-port-holder.ts";
import { whyNotHere } from "../support/namespace.ts";
import { codeOf, native, PORT, SILENT, useTunDevice } from "../support/real-datapath.ts";
import { INTACT, transfer } from "../support/transfer.ts";
import {
  narrowUnderlay,
  openTunnelPair,
  PAIR_MTU,
  type PairEnd,
  type TunnelPair,
  type Version,
} from "../support/tunnel-pair.ts";

const { signal } = new AbortController();
const LIMIT = seconds(20);
const BYTES = 16 * 1024 * 1024;
const VERSIONS: readonly Version[] = [4, 6];

async function assertIntact({ ends: [from, to] }: TunnelPair, version: Version): Promise<void> {
  const end = ({ namespace, addresses }: PairEnd) => ({ namespace, address: addresses[version] });
  assert.deepEqual(await transfer(end(from), end(to), BYTES, signal), INTACT);
}

/** What ping says; it may fail. */
async function pinged({ namespace }: PairEnd, ...words: string[]): Promise<string> {
  const command = inNamespace(namespace, ["ping", "-n", "-c1", "-W5", ...words]);
  const { stdout, stderr } = await attempt(command, {}, signal);
  return stdout + stderr;
}

for (const underlay of VERSIONS) {
  describe(`the udp data path over IPv${underlay}`, { skip: whyNotHere() }, () => {
    for (const version of VERSIONS) {
      it(`carries IPv${version} as it was sent, through the kernel in large pieces`, async () => {
        using pair = openTunnelPair(underlay);
        await assertIntact(pair, version);
        for (const { datapath } of pair.ends) {
          const counters = datapath.counters();
          assert.ok(counters.segmentedPackets > BYTES / PAIR_MTU / 2, JSON.stringify(counters));
          assert.ok(counters.coalescedPackets > BYTES / PAIR_MTU / 2, JSON.stringify(counters));
          assert.equal(counters.fallbacks, 0);
          assert.equal(counters.droppedMalformed, 0);
          assert.deepEqual(datapath.features(), new Set(DATAPATH_FEATURES));
        }
      });
    }

    for (const [what, features] of [
      ["no feature at all", []],
      ["everything but virtio headers", DATAPATH_FEATURES.filter((feature) => feature !== "VnetHeader")],
      ["everything but trains of datagrams", DATAPATH_FEATURES.filter((feature) => !feature.startsWith("UDP"))],
    ] satisfies readonly (readonly [string, readonly DatapathFeature[]])[]) {
      it(`carries IPv6 as it was sent with ${what}`, async () => {
        using pair = openTunnelPair(underlay, features);
        await assertIntact(pair, 6);
      });
    }

    it("carries the largest IPv6 packet, and one that its sender has cut into fragments", async () => {
      using pair = openTunnelPair(underlay);
      const [from, to] = pair.ends;
      assert.match(await pinged(from, "-Mdo", `-s${PAIR_MTU - 48}`, to.addresses[6]), / 1 received/);
      assert.match(await pinged(from, "-s30000", to.addresses[6]), / 1 received/);
    });

    it("takes one hop, and says so where none is left", async () => {
      using pair = openTunnelPair(underlay);
      const [from, to] = pair.ends;
      // One for each host as a router, one for the tunnel, one to arrive.
      assert.match(await pinged(from, "-t4", to.addresses[6]), / 1 received/);
      assert.match(await pinged(from, "-t2", to.addresses[6]), /From fd00:5:0:1:: .*Time exceeded: Hop limit/);
      assert.equal(from.datapath.counters().droppedTtlExceeded, 1);
    });

    it("answers what no peer has with no route", async () => {
      using pair = openTunnelPair(underlay);
      assert.match(
        await pinged(pair.ends[0], "fd00:5:0:9::2"),
        /From fd00:5:0:1:: .*Destination unreachable: No route/,
      );
      assert.equal(pair.ends[0].datapath.counters().droppedNoRoute, 1);
    });

    it("tells a sender what the underlay carries now, and gets 1,280 bytes through in any case", async () => {
      using pair = openTunnelPair(underlay);
      const [from, to] = pair.ends;
      narrowUnderlay(1400);
      const fits = 1400 - (underlay === 4 ? 28 : 48);
      const ofFull = await pinged(from, "-Mdo", `-s${PAIR_MTU - 48}`, to.addresses[6]);
      assert.match(ofFull, new RegExp(`From fd00:5:0:1:: .*Packet too big: mtu=${fits}`));
      assert.match(await pinged(from, "-Mdo", `-s${fits - 48}`, to.addresses[6]), / 1 received/);
      narrowUnderlay(1290);
      assert.match(await pinged(from, "-Mdo", "-s1232", to.addresses[6]), / 1 received/);
      assert.equal(from.datapath.counters().droppedOversized, 1);
    });

    it("keeps what the kernel says to its link on the link, without an answer", async () => {
      using pair = openTunnelPair(underlay);
      const { datapath } = pair.ends[0];
      await waitFor("it", () => (datapath.counters().droppedLinkLocal > 0 ? true : null), LIMIT, signal);
      const { sentPackets, icmpSent, icmpLimited, droppedNoRoute, droppedMalformed } = datapath.counters();
      assert.deepEqual([sentPackets, icmpSent, icmpLimited, droppedNoRoute, droppedMalformed], [0, 0, 0, 0, 0]);
    });
  });
}

describe("an IPv6 socket of the udp data path", { skip: whyNotHere() }, () => {
  useTunDevice();
  const options = { address: parseIpv6("::1"), port: PORT, bufferSize: 0, features: new Set<DatapathFeature>() };

  it("has its port to itself, and leaves that of IPv4 to others", async () => {
    using _path = native?.openDatapath(options, SILENT) ?? assert.fail();
    const other = createSocket("udp4");
    await new Promise<void>((resolve) => other.bind(PORT, "127.0.0.1", resolve));
    other.close();
    assert.equal(
      codeOf(() => native?.openDatapath(options, SILENT)),
      "EADDRINUSE",
    );
  });

  it("is found as the holder of its port, and a socket of IPv4 alone is not", async () => {
    const holder = () => udpPortHolder(PORT, "ipv6");
    const other = createSocket("udp4");
    await new Promise<void>((resolve) => other.bind(PORT, "127.0.0.1", resolve));
    assert.equal(holder(), null);
    other.close();
    using _path = native?.openDatapath(options, SILENT) ?? assert.fail();
    assert.match(holder() ?? "", new RegExp(`^process ${process.pid} `));
  });

  it("says that the address is not the host's", () => {
    assert.equal(
      codeOf(() => native?.openDatapath({ ...options, address: parseIpv6("fd00::9") }, SILENT)),
      "EADDRNOTAVAIL",
    );
  });
});
