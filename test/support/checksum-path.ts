// A tunnel to some peers, on which checksums are to be measured.

import { parseIpv4 } from "../../src/base/ip.ts";
import { parseMac } from "../../src/base/mac.ts";
import type { ChecksumPath } from "../../src/net/checksum-path.ts";
import { FLANNEL1, underlayAt } from "./vxlan-host.ts";

/** Peers are named by their addresses: 10.5.20.0 has the MAC 02:00:00:00:00:20. */
export function checksumPathTo(...peers: readonly string[]): ChecksumPath {
  return {
    device: FLANNEL1,
    mac: parseMac("02:00:00:00:00:52"),
    address: parseIpv4("10.5.52.0"),
    port: 8472,
    underlay: underlayAt("192.168.64.2"),
    peers: peers.map((address) => ({
      ip: parseIpv4(address),
      mac: parseMac(`02:00:00:00:00:${address.split(".")[2]?.padStart(2, "0")}`),
    })),
  };
}
