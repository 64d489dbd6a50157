// A namespace with an underlay and a vxlan device, for tests of what the kernel does with them.

import assert from "node:assert/strict";
import type { Ipv4, Prefix4 } from "../../src/base/ip.ts";
import { FLANNEL_PROTOCOL, type LinkName, type Route, type RouteProtocol } from "../../src/net/objects.ts";
import { messagesOf, type Request } from "../../src/netlink/codec.ts";
import { openConnection } from "../../src/netlink/connection.ts";
import { readLink } from "../../src/netlink/read-links.ts";
import { bridge, ip } from "./namespace.ts";
import { openNative } from "./native.ts";

export const DEV = "flannel.1" as LinkName;
export const VXLAN = "type vxlan id 1 dev und0 local 192.168.77.1 dstport 8472 nolearning";

export type FactsHost = ReturnType<typeof openFactsHost>;

export function openFactsHost() {
  const connection = openConnection(openNative());
  ip("link add und0 type veth peer name und1");
  for (const dev of ["lo", "und0", "und1"]) ip(`link set ${dev} up`);
  ip("address add 192.168.77.1/24 dev und0");
  ip(`link add ${DEV} address 02:00:00:00:01:00 ${VXLAN}`);
  ip(`link set ${DEV} up`);
  const addPeer = (peer: number) => {
    ip(`neighbour add 10.5.${peer}.0 lladdr 02:00:00:00:02:0${peer} dev ${DEV} nud permanent`);
    bridge(`fdb add 02:00:00:00:02:0${peer} dst 192.168.77.${peer} dev ${DEV} self permanent`);
    ip(`route add 10.5.${peer}.0/24 via 10.5.${peer}.0 dev ${DEV} onlink proto 70`);
  };
  const routes = (words = "") => lines(ip(`route show ${words}`.trim()));
  const neighbours = () => lines(ip(`neighbour show dev ${DEV} nud permanent`));
  const fdb = () => lines(bridge(`fdb show dev ${DEV}`)).filter((line) => line.startsWith("02:00:00:00:02"));
  const indexOf = (name: string) => readLink({ name: name as LinkName }, connection)?.index ?? 0;
  const count = (request: Request) => {
    const { refusal, messages } = connection.dump(request);
    assert.equal(refusal, null);
    return [...messagesOf(messages)].length;
  };
  const tunnelRoute = (peer: number, protocol: number = FLANNEL_PROTOCOL): Route => ({
    kind: "route",
    dev: DEV,
    dst: `10.5.${peer}.0/24` as Prefix4,
    via: `10.5.${peer}.0` as Ipv4,
    onlink: true,
    metric: 0,
    protocol: protocol as RouteProtocol,
  });
  return {
    connection,
    addPeer,
    routes,
    neighbours,
    fdb,
    indexOf,
    count,
    tunnelRoute,
    [Symbol.dispose]: () => {
      connection[Symbol.dispose]();
      if (ip("-o link show").includes("und0")) ip("link del und0");
    },
  };
}

export function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}
