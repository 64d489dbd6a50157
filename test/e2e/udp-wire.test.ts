// What the udp backend puts on the wire and what it takes from it, seen by a peer that is a plain UDP socket.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { addPod, type Pod } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { waitFor } from "../../lab/wait.ts";
import type { Json } from "../../src/base/json.ts";
import { UDP } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { createOverlayHost, LIMIT } from "../support/overlay-host.ts";
import { checksum, echoRequest, isEchoReply, openRawPeer, type RawPeer } from "../support/raw-peer.ts";

const { signal } = new AbortController();
const PORT = 8285;
const STRANGER = "192.168.77.99";
const PEER = { base: "10.5.201.0", ip: "192.168.77.12", mac: "" };
const INNER = "10.5.201.5";
let cluster: Cluster;
let daemon: Flanneld;
let pod: Pod;
let peer: RawPeer;
let stranger: RawPeer;

before(async () => {
  cluster = await openCluster(2, UDP.config, signal);
  daemon = cluster.start(0);
  await daemon.ready(signal);
  const host = createOverlayHost(cluster, UDP, signal);
  const { namespace, address } = cluster.hosts[1] ?? assert.fail();
  assert.equal(address, PEER.ip);
  await cluster.on(1, "ip", "addr", "add", `${STRANGER}/24`, "dev", "eth0");
  peer = await openRawPeer(namespace, PEER.ip, PORT, signal);
  stranger = await openRawPeer(namespace, STRANGER, PORT, signal);
  await host.putPeer(PEER);
  pod = await addPod(cluster.hosts[0] ?? assert.fail(), "p0", daemon.subnetFile, signal);
  await answers(1);
});
after(async () => {
  for (const one of [peer, stranger]) one?.[Symbol.dispose]();
  await cluster?.[Symbol.asyncDispose]();
});

const inPod = (...words: string[]) => cluster.tryOn(0, "ip", "netns", "exec", pod.namespace, ...words);
const node = (script: string) => inPod(process.execPath, "-e", script);
const own = () => cluster.hosts[0]?.address ?? "";
const tunnelAddress = () => pod.address.replace(/\.\d+$/, ".0");

/** The peer pings the pod until it is answered: the daemon has learnt of the peer then. */
async function answers(id: number): Promise<void> {
  const request = echoRequest({ source: INNER, destination: pod.address, ttl: 64, id });
  const look = () => {
    if (peer.received.some(({ bytes }) => isEchoReply(id)(bytes))) return true;
    peer.send(own(), PORT, request);
    return null;
  };
  await waitFor("the pod's answer", look, LIMIT, signal);
}

/** The fields of the daemon's next line about what it has dropped. */
async function dropped(): Promise<ReadonlyMap<string, number>> {
  const lines = () => daemon.log().match(/.* dropped .*/g) ?? [];
  const before = lines().length;
  process.kill(daemon.pid, "SIGUSR1");
  const line = await waitFor("the report", () => lines()[before] ?? null, LIMIT, signal);
  return new Map([...line.matchAll(/(\w+)=(\d+)/g)].map(([, name = "", value]) => [name, Number(value)]));
}

describe("a datagram of the udp backend", () => {
  it("is one IPv4 packet and nothing else, from our port to our port, with one hop less", async () => {
    await node(`require("node:dgram").createSocket("udp4").bind(5001, function () {
      this.send(Buffer.from("payload of this packet"), 9999, "${INNER}", () => this.close()); })`);
    const { address, port, bytes } = await peer.waitFor((packet) => packet[9] === 17, signal);
    assert.deepEqual([address, port], [own(), PORT]);
    assert.equal(bytes.length, 20 + 8 + 22);
    assert.equal(bytes.readUInt16BE(2), bytes.length);
    assert.equal(bytes[0], 0x45);
    assert.deepEqual([...bytes.subarray(12, 16)].join("."), pod.address);
    assert.deepEqual([...bytes.subarray(16, 20)].join("."), INNER);
    assert.equal(bytes.subarray(28).toString(), "payload of this packet");
    // The pod's 64, less one for the host as a router, less one for the tunnel.
    assert.equal(bytes[8], 62);
    assert.equal(checksum(bytes.subarray(0, 20)), 0);
    const pseudo = Buffer.concat([bytes.subarray(12, 20), Buffer.from([0, 17, 0, 8 + 22]), bytes.subarray(20)]);
    assert.equal(checksum(pseudo), 0, "the checksum that the pod's kernel left to the device");
  });

  it("from the host itself has 63 hops left", async () => {
    await cluster.tryOn(0, "ping", "-n", "-c1", "-W1", "-I", tunnelAddress(), INNER);
    const isFromHost = (packet: Buffer) =>
      packet[9] === 1 && packet[20] === 8 && [...packet.subarray(12, 16)].join(".") === tunnelAddress();
    assert.equal((await peer.waitFor(isFromHost, signal)).bytes[8], 63);
  });

  it("that comes in loses no hop in the tunnel", async () => {
    // One for the host as a router, one to arrive.
    peer.send(own(), PORT, echoRequest({ source: INNER, destination: pod.address, ttl: 2, id: 20 }));
    await peer.waitFor(isEchoReply(20), signal);
  });

  it("that is no IPv4 packet is dropped and counted, and hurts nobody", async () => {
    const before = await dropped();
    const good = echoRequest({ source: INNER, destination: pod.address, ttl: 9, id: 30 });
    const long = Buffer.from(good);
    long.writeUInt16BE(1000, 2);
    const garbage = [Buffer.from("x"), Buffer.alloc(40, 0x55), Buffer.alloc(19, 0x45), long];
    for (const bytes of garbage) peer.send(own(), PORT, bytes);
    await answers(31);
    const after = await dropped();
    const grown = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    assert.equal(grown("otherVersion") + grown("malformed"), garbage.length);
  });
});

describe("a packet that cannot be carried", () => {
  it("because nobody has its destination is answered with net unreachable", async () => {
    const { stdout } = await inPod("ping", "-n", "-c1", "-W2", "10.5.250.5");
    assert.match(stdout, new RegExp(`From ${tunnelAddress()} .*Destination Net Unreachable`));
  });

  it("because its last hop is used up is answered with time exceeded", async () => {
    const { stdout } = await inPod("ping", "-n", "-c1", "-W2", "-t2", INNER);
    assert.match(stdout, new RegExp(`From ${tunnelAddress()} .*Time to live exceeded`));
  });

  it("because the underlay has become narrower is answered with the size that fits", async () => {
    const before = await dropped();
    // All in one line: a second later the daemon makes the device as narrow, and the kernel itself answers and cuts.
    const pinging = `ip netns exec ${pod.namespace} ping -n -c1 -s1444`;
    // One that may be cut arrives whole: the underlay carries its datagram in fragments. Elsewhere, of whose way the pod
    // has not learnt anything.
    const line = `ip link set eth0 mtu 1400; ${pinging} -W2 -Mdo ${INNER}; ${pinging} -W1 -Mdont 10.5.201.6; true`;
    try {
      const stdout = await cluster.on(0, "sh", "-c", line);
      assert.match(stdout, /Frag needed and DF set \(mtu = 1372\)/);
      await peer.waitFor((packet) => packet.length === 1472, signal);
      assert.equal((await dropped()).get("oversized"), (before.get("oversized") ?? 0) + 1);
    } finally {
      await cluster.on(0, "ip", "link", "set", "eth0", "mtu", "1500");
    }
  });
});

describe("a packet whose source is not what it says", () => {
  const spoofed = (id: number) => echoRequest({ source: "10.5.202.7", destination: pod.address, ttl: 64, id });

  it("is dropped and counted: from no peer, and from a peer in the name of another", async () => {
    const before = await dropped();
    stranger.send(own(), PORT, echoRequest({ source: INNER, destination: pod.address, ttl: 64, id: 40 }));
    peer.send(own(), PORT, spoofed(41));
    const look = async () => {
      const now = await dropped();
      const grown = (name: string) => (now.get(name) ?? 0) - (before.get(name) ?? 0);
      return grown("noPeer") === 1 && grown("wrongSource") === 1 ? true : null;
    };
    await waitFor("two drops", look, LIMIT, signal);
    await answers(42);
    assert.ok(!peer.received.some(({ bytes }) => isEchoReply(40)(bytes)));
  });

  it("is let through when the config says so", async () => {
    await daemon.stop(signal);
    const Backend: Json = { Type: "udp", CheckSource: false };
    await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify({ ...UDP.config, Backend }));
    daemon = cluster.start(0);
    await daemon.ready(signal);
    await answers(50);
    stranger.send(own(), PORT, echoRequest({ source: INNER, destination: pod.address, ttl: 64, id: 51 }));
    await peer.waitFor(isEchoReply(51), signal);
    assert.equal((await dropped()).get("noPeer"), 0);
  });
});
