// The options of a daemon that was given no flags, but for a health endpoint.

import { minutes, seconds } from "../../src/base/brand.ts";
import type { Options } from "../../src/cli/options.ts";

export const OPTIONS: Options = {
  etcd: {
    endpoints: ["http://127.0.0.1:2379"],
    prefix: "/coreos.com/network",
    tls: { caFile: null, certFile: null, keyFile: null },
    auth: null,
  },
  underlay: { interfaces: [], regexes: [], canReach: null, publicIp: null, publicIpv6: null },
  subnetFile: "/run/flannel/subnet.env",
  stateDirectory: "/var/lib/flannel",
  renewMargin: minutes(60),
  stalePeerGrace: minutes(15),
  ipMasq: false,
  firewall: { forward: true, random: true, resync: seconds(5) },
  blackholeRoute: false,
  controlSocket: "/run/flannel/flanneld.sock",
  healthz: { ip: "127.0.0.1" as never, port: 8080 },
  probeInterval: null,
  peerTraffic: false,
  log: { format: "text", debug: false },
};
