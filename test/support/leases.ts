// Leases and configs for tests, written as an operator would write them.

import type { Ipv4, Prefix4 } from "../../src/base/ip.ts";
import { parseIpv4, parsePrefix4 } from "../../src/base/ip.ts";
import type { Json, Lease, NodeId, Revision, SubnetKey } from "../../src/subnet/lease.ts";
import { type NetworkConfig, parseNetworkConfig } from "../../src/subnet/network-config.ts";

export interface LeaseSketch {
  readonly subnet: string;
  readonly publicIp: string;
  readonly mac?: string;
  readonly backendType?: string;
  readonly backendData?: Json;
  readonly nodeId?: string;
  readonly challenger?: string;
  readonly revision?: number;
}

/** A vxlan lease unless the sketch says otherwise. */
export function leaseOf(sketch: LeaseSketch): Lease {
  const v4: Prefix4 = parsePrefix4(sketch.subnet);
  const publicIp: Ipv4 = parseIpv4(sketch.publicIp);
  const revision = String(sketch.revision ?? 1) as Revision;
  return {
    key: v4.replace("/", "-") as SubnetKey,
    subnet: { v4, v6: null },
    attrs: {
      publicIp,
      publicIpv6: null,
      backendType: sketch.backendType ?? "vxlan",
      backendData:
        sketch.backendData !== undefined ? sketch.backendData : { VNI: 1, VtepMAC: sketch.mac ?? "02:00:00:00:00:01" },
      backendV6Data: null,
      nodeId: (sketch.nodeId ?? null) as NodeId | null,
      challenger: (sketch.challenger ?? null) as NodeId | null,
    },
    term: { kind: "leased" },
    version: { modRevision: revision, createRevision: revision, leaseId: "1" },
  };
}

/** The n-th of many peers: a subnet of 10.0.0.0/8, a public IP and a MAC of its own. */
export function peerNumber(n: number): Lease {
  const high = (n >> 8) & 255;
  const low = n & 255;
  return leaseOf({
    subnet: `10.${high}.${low}.0/24`,
    publicIp: `172.16.${high}.${low + 1 > 255 ? 255 : low + 1}`,
    mac: `02:00:00:00:${high.toString(16).padStart(2, "0")}:${low.toString(16).padStart(2, "0")}`,
    revision: n + 1,
  });
}

export function networkOf(config: Json): NetworkConfig {
  return parseNetworkConfig(JSON.stringify(config));
}
