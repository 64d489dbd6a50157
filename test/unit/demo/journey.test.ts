import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseCounters, planJourney } from "../../../demo/journey.ts";
import type { Pod } from "../../../lab/cni.ts";

const TUNNEL = { device: "flannel.1", udpPort: 8472, content: "VXLAN 1", hasMac: true };

function pod(number: number): Pod {
  const host = {
    name: `h${number}`,
    namespace: `n${number}`,
    address: `192.168.77.${number}`,
    address6: null,
    directory: "/",
  };
  return { name: "pod", host, namespace: `n${number}-pod`, address: `10.42.${number}.2`, address6: null };
}

describe("planJourney", () => {
  it("goes down on one host and up on the other, and the reply comes back the same way", () => {
    const places = planJourney(pod(1), pod(2), TUNNEL).map(
      ({ host, device, direction }) => `${host.name} ${device} ${direction}`,
    );
    assert.deepEqual(places.slice(0, 6), [
      "h1 cni0 in",
      "h1 flannel.1 out",
      "h1 eth0 out",
      "h2 eth0 in",
      "h2 flannel.1 in",
      "h2 cni0 out",
    ]);
    const turned = (place: string) => place.replace(/ in$/, " OUT").replace(/ out$/, " in").replace(/ OUT$/, " out");
    assert.deepEqual(places.slice(6), places.slice(0, 6).reverse().map(turned));
  });

  it("has the pods' addresses on the overlay and the hosts' on the wire", () => {
    const [inner, , outer] = planJourney(pod(1), pod(2), TUNNEL);
    assert.equal(inner?.match, "ip saddr 10.42.1.2 ip daddr 10.42.2.2 icmp type echo-request");
    assert.equal(outer?.match, "ip saddr 192.168.77.1 ip daddr 192.168.77.2 udp dport 8472 udp length 114");
  });

  it("knows the packet on the wire from what the daemons ask each other through the tunnel", () => {
    const lengthIn = (hasMac: boolean) => {
      const [, , outer] = planJourney(pod(1), pod(2), { ...TUNNEL, hasMac });
      return Number(/udp length (\d+)$/.exec(outer?.match ?? "")?.[1]);
    };
    // An echo request of 84 octets behind UDP's 8, and VXLAN's 8 and Ethernet's 14.
    assert.deepEqual([lengthIn(true), lengthIn(false)], [114, 92]);
  });
});

describe("planJourney without a tunnel", () => {
  it("has the pods' packet itself on the wire, there and back", () => {
    const stages = planJourney(pod(1), pod(2), null);
    const places = stages.map(({ host, device, direction }) => `${host.name} ${device} ${direction}`);
    assert.deepEqual(places.slice(0, 4), ["h1 cni0 in", "h1 eth0 out", "h2 eth0 in", "h2 cni0 out"]);
    assert.deepEqual(places.slice(4), ["h2 cni0 in", "h2 eth0 out", "h1 eth0 in", "h1 cni0 out"]);
    for (const { match } of stages.slice(0, 4)) {
      assert.equal(match, "ip saddr 10.42.1.2 ip daddr 10.42.2.2 icmp type echo-request");
    }
  });
});

describe("parseCounters", () => {
  it("finds the counters in what nft prints", () => {
    const printed = `{"nftables": [{"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
      {"counter": {"family": "inet", "name": "stage0", "table": "flanneld_demo", "handle": 1, "packets": 1, "bytes": 84}}]}`;
    assert.deepEqual(
      parseCounters(printed).map(({ name, packets, bytes }) => [name, packets, bytes]),
      [["stage0", 1, 84]],
    );
  });
});
