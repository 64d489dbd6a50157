import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bridgeConfig, parseAddress, parseSubnetEnv } from "../../../lab/cni.ts";

const SUBNET_ENV = `FLANNEL_NETWORK=10.1.0.0/16
FLANNEL_SUBNET=10.1.17.1/24
FLANNEL_MTU=1472
FLANNEL_IPMASQ=true
`;

describe("parseSubnetEnv", () => {
  it("reads what a pod's network is made from", () => {
    assert.deepEqual(parseSubnetEnv(SUBNET_ENV), {
      network: "10.1.0.0/16",
      subnet: "10.1.17.1/24",
      ipv6: null,
      mtu: 1472,
    });
  });

  it("names the key that a file is missing", () => {
    assert.throws(() => parseSubnetEnv(SUBNET_ENV.replace(/FLANNEL_MTU.*\n/, "")), /missing FLANNEL_MTU/);
  });
});

describe("bridgeConfig", () => {
  it("is the delegate config of flannel's CNI plugin", () => {
    assert.deepEqual(bridgeConfig(parseSubnetEnv(SUBNET_ENV), { directory: "/run/lab/h1" }), {
      cniVersion: "0.4.0",
      name: "cbr0",
      type: "bridge",
      bridge: "cni0",
      mtu: 1472,
      ipMasq: false,
      hairpinMode: true,
      isGateway: true,
      isDefaultGateway: true,
      ipam: {
        type: "host-local",
        ranges: [[{ subnet: "10.1.17.0/24" }]],
        routes: [{ dst: "10.1.0.0/16" }],
        dataDir: "/run/lab/h1/cni",
      },
    });
  });

  it("masks the subnet at any length", () => {
    const env = { network: "10.0.0.0/8", subnet: "10.1.18.129/25", ipv6: null, mtu: 1450 };
    assert.match(JSON.stringify(bridgeConfig(env, { directory: "/" })), /"subnet":"10.1.18.128\/25"/);
  });
});

describe("parseAddress", () => {
  it("takes the pod's address from the result of ADD", () => {
    assert.equal(parseAddress('{"cniVersion":"0.4.0","ips":[{"version":"4","address":"10.1.17.2/24"}]}'), "10.1.17.2");
  });

  it("shows a result without an address", () => {
    assert.throws(() => parseAddress('{"ips":[]}'), /gave no address: {"ips":\[\]}/);
  });
});
