import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createBackend } from "../../../src/backends/registry.ts";
import { unknown } from "../../../src/check/facts.ts";
import { expectAll, finding } from "../../support/findings.ts";
import { DEAD, PEER, peerOf, recordOf, untilIn, wayOf } from "../../support/well-facts.ts";

describe("a check of the peers", () => {
  const [underlay, overlay] = [PEER.attrs.publicIp, "10.5.2.0"];
  const gone = { ways: [wayOf("underlay", underlay, DEAD), wayOf("overlay", overlay, DEAD)] };
  const other = peerOf(recordOf("10.5.3.0/24", "192.168.77.13"));

  it("tells one that is gone from one that only does not answer", () => {
    expectAll([
      [
        "peers",
        "warn",
        /^the peer 192\.168\.77\.12 \(10\.5\.2\.0\/24\) does not answer$/,
        { peers: [peerOf(PEER, { ...gone, term: untilIn(20) }), other] },
      ],
      ["peers", "fail", /does not answer$/, { peers: [peerOf(PEER, gone)] }],
      [
        "peers",
        "warn",
        /^stale peer: 192\.168\.77\.12 does not answer, and its record for 10\.5\.2\.0\/24 was last renewed 23 h 30 min ago/,
        { peers: [peerOf(PEER, { ...gone, term: untilIn(0.5) }), other] },
      ],
      [
        "peers",
        "ok",
        /^1 peer answers on the underlay, 1 through the overlay alone$/,
        { peers: [peerOf(PEER, { ways: [wayOf("underlay", underlay, DEAD), wayOf("overlay", overlay)] }), other] },
      ],
      ["peers", "ok", /no other host/, { peers: [] }],
      ["peers", "skip", /not pinged: CAP_NET_RAW/, { unpinged: "CAP_NET_RAW" }],
    ]);
  });

  it("leaves it to a person whether a host is gone for good", () => {
    const asking = ["--etcd-prefix=/blue"];
    const silent = (hours: number) =>
      finding("peers", { asking, peers: [peerOf(PEER, { ...gone, term: untilIn(hours) })] });
    const { remedy, command } = silent(0.5);
    const release = "flanneld release 10.5.2.0/24 --now --force --etcd-prefix=/blue";
    assert.deepEqual([remedy, command], [`start flanneld there, or if that host is gone: ${release}`, null]);
    assert.equal(silent(20).command, "flanneld ping 192.168.77.12 --etcd-prefix=/blue");
  });

  it("tells a dual-stack peer that answers in one family alone", () => {
    const ways = [wayOf("underlay", underlay, DEAD), wayOf("underlay", "fd77::12")];
    const both = peerOf(PEER, { ways });
    const sentence = /^192\.168\.77\.12 \(10\.5\.2\.0\/24\) does not answer over IPv4, and does over IPv6$/;
    expectAll([
      ["peers", "fail", sentence, { peers: [both] }],
      ["peers", "warn", sentence, { peers: [both, other] }],
    ]);
  });

  it("tells the port when only the overlay is silent", () => {
    const ways = [wayOf("underlay", underlay), wayOf("overlay", overlay, DEAD)];
    expectAll([
      [
        "overlay",
        "fail",
        /192\.168\.77\.12 \(10\.5\.2\.0\/24\) answers, but not through the overlay: UDP port 8472 is dropped/,
        { peers: [peerOf(PEER, { ways })] },
      ],
      ["peers", "ok", /answer/, { peers: [peerOf(PEER, { ways })] }],
      [
        "overlay",
        "skip",
        /no device of the overlay here yet/,
        { peers: [peerOf(PEER, { ways: [wayOf("underlay", underlay)] })] },
      ],
    ]);
  });

  it("says of an overlay that cannot be asked, or has no device, what is so", () => {
    const onUnderlay = [peerOf(PEER, { ways: [wayOf("underlay", underlay)] })];
    const hostGw = { backends: [{ backend: createBackend({ type: "host-gw", options: {} }), port: null }] };
    expectAll([
      ["overlay", "skip", /cannot be asked without etcd/, { store: unknown("no answer"), peers: [] }],
      ["overlay", "ok", /the backend host-gw sends packets as they are/, { ...hostGw, peers: onUnderlay }],
      ["overlay", "ok", /no other host has a lease yet/, { peers: [] }],
    ]);
  });

  it("tells how large packets may be, and whether larger ones vanish", () => {
    const narrow = (isSilent: boolean) => ({
      peers: [peerOf(PEER, { ways: [wayOf("underlay", underlay, { path: { mtu: 1400, isSilent } })] })],
    });
    expectAll([
      [
        "path-mtu",
        "warn",
        /more than 1400 bytes to 192\.168\.77\.12.*do not pass \(underlay, whose device sends up to 1500\)/,
        narrow(false),
      ],
      ["path-mtu", "fail", /vanish without a word/, narrow(true)],
    ]);
  });
});
