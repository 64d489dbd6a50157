// A series for each peer. Pure.

import type { DaemonStatus, PeerStatus, ProbeStatus, Traffic } from "../status/snapshot.ts";
import { counter, type Family, gauge, type Labels, type Sample } from "./family.ts";

export function peerFamilies({ peers }: DaemonStatus): readonly Family[] {
  return [
    gauge(
      "flannel_peer_programmed",
      "1 while packets to the peer are sent on their way.",
      peers.map((peer) => ({ labels: labelsOf(peer), value: peer.state === "missing" ? 0 : 1 })),
    ),
    ...probeFamilies(peers),
    ...trafficFamilies(peers),
  ];
}

/** Named as those of the devices are. */
function trafficFamilies(peers: readonly PeerStatus[]): readonly Family[] {
  const of = (suffix: string, help: string, counted: keyof Traffic) =>
    counter(
      `flannel_peer_${suffix}_total`,
      help,
      peers.flatMap((peer) =>
        peer.traffic === null ? [] : [{ labels: labelsOf(peer), value: peer.traffic[counted] }],
      ),
    );
  return [
    of("receive_bytes", "Received from the peer's subnet, where that is counted.", "receivedBytes"),
    of("receive_packets", "Received from the peer's subnet, where that is counted.", "receivedPackets"),
    of("transmit_bytes", "Sent to the peer's subnet, where that is counted.", "sentBytes"),
    of("transmit_packets", "Sent to the peer's subnet, where that is counted.", "sentPackets"),
  ];
}

/** Of each way to a peer: on the underlay, through the overlay, and by both families where there are two. */
function probeFamilies(peers: readonly PeerStatus[]): readonly Family[] {
  const each = (numberOf: (probe: ProbeStatus) => number | null): readonly Sample[] =>
    peers.flatMap((peer) =>
      peer.probes.flatMap((probe) => {
        const value = numberOf(probe);
        return value === null ? [] : [{ labels: { ...labelsOf(peer), over: probe.over, to: probe.address }, value }];
      }),
    );
  return [
    gauge(
      "flannel_peer_probe_up",
      "1 while the peer answers probes.",
      each(({ isAnswering }) => (isAnswering ? 1 : 0)),
    ),
    gauge(
      "flannel_peer_probe_rtt_seconds",
      "Round trip of the newest probe that was answered.",
      each(({ rttSeconds }) => rttSeconds),
    ),
    gauge(
      "flannel_peer_probe_loss_ratio",
      "Share of the last twenty probes without an answer.",
      each(({ lossRatio }) => lossRatio),
    ),
    gauge(
      "flannel_peer_probe_path_mtu_bytes",
      "The largest packet that gets to the peer.",
      each(({ pathMtu }) => pathMtu),
    ),
  ];
}

function labelsOf({ subnet, subnet6, publicIp, publicIpv6 }: PeerStatus): Labels {
  return { subnet: subnet ?? subnet6 ?? "", public_ip: publicIp ?? publicIpv6 ?? "" };
}
