// A series for each peer. Pure.

import type { DaemonStatus, PeerStatus } from "../status/snapshot.ts";
import { counter, type Family, gauge } from "./family.ts";

export function peerFamilies({ peers }: DaemonStatus): readonly Family[] {
  const labelsOf = ({ subnet, subnet6, publicIp, publicIpv6 }: PeerStatus) => ({
    subnet: subnet ?? subnet6 ?? "",
    public_ip: publicIp ?? publicIpv6 ?? "",
  });
  const traffic = (direction: "sent" | "received") =>
    peers.flatMap((peer) =>
      peer.traffic === null ? [] : [{ labels: labelsOf(peer), value: peer.traffic[`${direction}Bytes`] }],
    );
  return [
    gauge(
      "flannel_peer_programmed",
      "1 while packets to the peer are sent on their way.",
      peers.map((peer) => ({ labels: labelsOf(peer), value: peer.state === "missing" ? 0 : 1 })),
    ),
    gauge(
      "flannel_peer_probe_rtt_seconds",
      "Round trip of the newest probe that was answered.",
      peers.flatMap((peer) => (peer.rttSeconds === null ? [] : [{ labels: labelsOf(peer), value: peer.rttSeconds }])),
    ),
    counter("flannel_peer_sent_bytes_total", "Sent to the peer, where that is counted.", traffic("sent")),
    counter("flannel_peer_received_bytes_total", "Received from the peer, where that is counted.", traffic("received")),
  ];
}
