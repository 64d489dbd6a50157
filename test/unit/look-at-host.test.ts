import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FlannelError } from "../../src/base/errors.ts";
import type { Prefix4 } from "../../src/base/ip.ts";
import { known, unknown as unknownRules } from "../../src/check/facts.ts";
import { judgeHost } from "../../src/check/running-checks.ts";
import { lookAtHost } from "../../src/look-at-host.ts";
import type { LinkName } from "../../src/net/objects.ts";
import { parseNetworkConfig } from "../../src/subnet/network-config.ts";
import { HOST_TOPICS } from "../../src/watch-host.ts";
import { createFakeHost } from "../fakes/fake-host.ts";
import { peerNumber } from "../support/leases.ts";
import { PEER, wellFacts } from "../support/well-facts.ts";

const { signal } = new AbortController();
const ETH0 = "eth0" as LinkName;
const ETH1 = "eth1" as LinkName;
const DROP = { family: "inet", table: "fw", name: "c", handle: 1, type: "filter", hook: "forward", prio: 0 };
const rulesOf = (...items: readonly object[]) => known({ iptables: {}, nftables: JSON.stringify({ nftables: items }) });

/** A host on which all is well but for what the test says. */
function place() {
  const host = createFakeHost();
  const well = wellFacts();
  assert.ok(well.underlay.known && well.links.known && well.interfaces.known);
  const [links, interfaces, underlay] = [well.links.value, well.interfaces.value, well.underlay.value];
  const kernel = {
    links: async () => links,
    underlayFacts: async () => ({ interfaces, defaultRoutes: [], defaultRoutes6: [] }),
    lookup: async (): Promise<{ dev: LinkName; source: null; via: null } | null> => ({
      dev: ETH0,
      source: null,
      via: null,
    }),
  };
  const network = parseNetworkConfig('{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}');
  const view = { network, underlay, peers: [PEER] };
  const look = (more: Partial<typeof view> = {}) =>
    lookAtHost({ ...view, ...more }, { kernel, sight: host, prefix: "/coreos.com/network" }, signal);
  const judge = async (more: Partial<typeof view> = {}) => judgeHost(await look(more));
  const troubles = async (more: Partial<typeof view> = {}) => (await judge(more)).troubles;
  return { host, kernel, look, judge, troubles };
}

describe("what a running daemon finds on its host", () => {
  it("is nothing where all is well", async () => {
    const { troubles, unknown } = await place().judge();
    assert.deepEqual([[...troubles], [...unknown]], [[], []]);
  });

  it("is the peers' addresses that leave by another interface, with what to do", async () => {
    const { kernel, troubles } = place();
    kernel.lookup = async () => ({ dev: ETH1, source: null, via: null });
    const found = (await troubles()).get("interface");
    assert.match(found?.sentence ?? "", /^packets to 192\.168\.77\.12 leave by eth1, and flanneld uses eth0/);
    assert.match(found?.remedy ?? "", /-iface=eth1/);
  });

  it("is rp_filter where the answer leaves by another interface", async () => {
    const { kernel, host, troubles } = place();
    kernel.lookup = async () => ({ dev: ETH1, source: null, via: null });
    host.answers.sysctls = async (names) => {
      assert.ok(names.includes("net.ipv4.conf.flannel/1.rp_filter"));
      return { "net.ipv4.conf.all.rp_filter": "0", "net.ipv4.conf.eth0.rp_filter": "1" };
    };
    assert.match((await troubles()).get("rp-filter")?.sentence ?? "", /strict on eth0, and answers .* leave by eth1/);
  });

  it("is a policy of drop where our rule does not help, and a port that is dropped whole", async () => {
    const { host, troubles } = place();
    host.answers.rules = async () =>
      rulesOf(
        { chain: { ...DROP, policy: "drop" } },
        { chain: { ...DROP, name: "i", hook: "input", policy: "accept" } },
        {
          rule: {
            ...{ family: "inet", table: "fw", chain: "i", handle: 7 },
            expr: [
              { match: { op: "==", left: { payload: { protocol: "udp", field: "dport" } }, right: 8472 } },
              { drop: null },
            ],
          },
        },
      );
    const found = await troubles();
    assert.match(found.get("forward-rules")?.sentence ?? "", /^the nftables chain inet fw c drops/);
    assert.match(found.get("input-rules")?.sentence ?? "", /^UDP port 8472.* is dropped here: nftables inet fw i/);
    assert.equal(found.get("input-rules")?.remedy, "nft delete rule inet fw i handle 7");
  });

  it("is nothing that the kernel does not tell", async () => {
    const { kernel, judge } = place();
    const refuse = async () => {
      throw new FlannelError("netlink.errno", { op: "a dump", errno: "EBUSY", message: null });
    };
    const answers = { ...kernel };
    for (const refused of ["links", "lookup"]) {
      Object.assign(kernel, answers, { [refused]: refuse });
      const { troubles, unknown } = await judge();
      assert.deepEqual([[...troubles], [...unknown]], [[], HOST_TOPICS], refused);
    }
    Object.assign(kernel, answers, { underlayFacts: refuse });
    assert.deepEqual([...(await judge()).unknown], ["interface"]);
  });

  it("leaves open what nft does not tell", async () => {
    const { host, judge } = place();
    host.answers.rules = async () => unknownRules("nft: no answer within 20000 ms");
    const { troubles, unknown } = await judge();
    assert.deepEqual([[...troubles], [...unknown]], [[], ["forward-rules", "input-rules"]]);
  });

  it("is a route of another length that takes a peer's subnet elsewhere, where rp_filter is strict", async () => {
    const { host, troubles } = place();
    host.answers.sysctls = async () => ({ "net.ipv4.conf.all.rp_filter": "1" });
    const ours = { dst: "10.5.2.0/24" as Prefix4, dev: "flannel.1" as LinkName };
    host.answers.routes = async () => [{ dst: "0.0.0.0/0" as Prefix4, dev: ETH0 }, ours];
    assert.equal((await troubles()).get("rp-filter"), undefined);
    host.answers.routes = async () => [{ dst: "0.0.0.0/0" as Prefix4, dev: ETH0 }];
    assert.match(
      (await troubles()).get("rp-filter")?.sentence ?? "",
      /strict on flannel\.1, and the route to 10\.5\.2\.0\/24 does not/,
    );
  });

  it("is judged by few routes, however many flanneld has made", async () => {
    const { host, look } = place();
    const route = (n: number, dev: string) => ({ dst: `10.5.${n}.0/24` as Prefix4, dev: dev as LinkName });
    const [pods, wanted] = [route(1, "cni0"), route(2, "flannel.1")];
    const others = [3, 4, 5].flatMap((n) => [route(n, "flannel.1"), route(n, "eth0")]);
    host.answers.routes = async () => [...others, pods, wanted];
    assert.deepEqual((await look()).routes, [pods, wanted]);
  });

  it("costs a few questions, however many peers there are", async () => {
    const { kernel, judge } = place();
    let asked = 0;
    const lookup = kernel.lookup;
    kernel.lookup = () => {
      asked += 1;
      return lookup();
    };
    await judge({ peers: Array.from({ length: 1000 }, (_, n) => peerNumber(n)) });
    assert.equal(asked, 24);
  });
});
