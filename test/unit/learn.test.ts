import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isError } from "../../src/base/errors.ts";
import type { IfAddr } from "../../src/base/ip.ts";
import { learn } from "../../src/learn.ts";
import type { LinkName, NetObject, VxlanLink } from "../../src/net/objects.ts";
import { LEASE_TTL, type Lease } from "../../src/subnet/lease.ts";
import { ADDRESS, CONFIG, PEER, startLearning as start } from "../support/learning-host.ts";
import { leaseOf } from "../support/leases.ts";
import { OPTIONS } from "../support/options.ts";
import { bareHost, ETH0 } from "../support/vxlan-host.ts";

/** A lease of this host, whose id is that of its state directory and its machine. */
async function ownLease(host: ReturnType<typeof start>, subnet = "10.5.52.0/24"): Promise<Lease> {
  host.store.setConfig(CONFIG);
  const { self } = await host.learn();
  assert.ok(self.nodeId);
  const until = { kind: "until", at: (host.clock.now() + LEASE_TTL) as never } as const;
  return { ...leaseOf({ subnet, publicIp: ADDRESS, nodeId: self.nodeId }), term: until };
}

describe("what a start learns", () => {
  it("is the network, the interface and who this host is, by one request, and changes nothing in kernel or store", async () => {
    const host = start();
    host.store.setConfig(CONFIG);
    host.store.put(PEER);
    const learned = await host.learn();
    assert.deepEqual([learned.overlay.network.ipv4?.network, learned.overlay.backend.type], ["10.5.0.0/16", "vxlan"]);
    assert.equal(learned.configKey, "/coreos.com/network/config");
    assert.deepEqual([learned.underlay.link, learned.self.publicIp], [ETH0, ADDRESS]);
    assert.match(learned.self.nodeId ?? "", /^[0-9a-f]{32}$/);
    assert.deepEqual([learned.isAway, learned.last, learned.lately], [false, null, null]);
    assert.deepEqual(
      learned.list?.leases.map(({ key }) => key),
      [PEER.key],
    );
    assert.deepEqual(host.store.calls, ["survey"]);
    assert.deepEqual(host.kernel.applied, []);
    assert.equal(host.waiting("config"), null);
    assert.deepEqual(host.log.messages(), ["network config", "underlay interface"]);
  });

  it("is the same host at every start, and another with another machine id", async () => {
    const host = start();
    host.store.setConfig(CONFIG);
    const [first, second] = [await host.learn(), await host.learn()];
    assert.equal(first.self.nodeId, second.self.nodeId);
    const copy = { ...host.means, readMachineId: async () => "another" };
    const other = await learn(
      { ...OPTIONS, firewall: { ...OPTIONS.firewall, forward: false } },
      copy,
      new AbortController().signal,
    );
    assert.notEqual(other.self.nodeId, first.self.nodeId);
  });

  it("waits for a config, and tells for what", async () => {
    const host = start();
    const learning = host.learn();
    await host.clock.advance(5000);
    assert.match(host.waiting("config") ?? "", /there is no network config at \/coreos\.com\/network\/config/);
    host.store.setConfig(CONFIG);
    await host.clock.advance(5000);
    assert.equal((await learning).overlay.text, CONFIG);
    assert.equal(host.waiting("config"), null);
  });

  it("tells that the interface it was told to use is not there while it waits for a config, and that it has come", async () => {
    const underlay = { ...OPTIONS.underlay, interfaces: ["eth7"] };
    const host = start({ options: { underlay } });
    const interfaceTrouble = () =>
      host.means.board.readiness().degraded.find(({ name }) => name === "interface")?.reason ?? null;
    const learning = host.learn();
    await host.clock.advance(5000);
    const missing =
      /^no interface has the name or the address eth7 \(--iface\); the host has eth0 \(192\.168\.64\.2\)$/;
    assert.match(interfaceTrouble() ?? "", missing);
    const told = host.log.lines.filter(({ message }) => message === "there is no interface as the flags say");
    assert.equal(told[0]?.level, "warn");
    const eth7 = "eth7" as LinkName;
    host.kernel.externally(
      [
        { kind: "link", type: "other", name: eth7, mtu: 1500, up: true, mac: null, driver: "veth" } as const,
        { kind: "address", dev: eth7, address: "192.168.65.2/24" as IfAddr } as const,
      ].map((object) => ({ op: "create", object })),
    );
    await host.clock.advance(5000);
    assert.equal(interfaceTrouble(), null);
    host.store.setConfig(CONFIG);
    await host.clock.advance(5000);
    assert.equal((await learning).underlay.link, eth7);
  });

  it("is nothing of a config that is none, which is told by its key and its place", async () => {
    const host = start();
    host.store.setConfig('{"Network":"10.5.0.0"}');
    await assert.rejects(
      host.learn(),
      /^FlannelError: network config in etcd at \/coreos\.com\/network\/config: \$\.Network: /,
    );
  });

  it("is that there is no config yet, with a command for whoever asks etcd, and without the password", async () => {
    const auth = { username: "ann", password: "s3cret" };
    const host = start({ options: { etcd: { ...OPTIONS.etcd, auth } } });
    const learning = host.learn();
    await host.clock.advance(100);
    assert.match(
      host.log.lines[0]?.fields.hint ?? "",
      /^ETCDCTL_API=3 etcdctl put \S+ '.*' --endpoints=\S+ --user=ann$/,
    );
    assert.doesNotMatch(JSON.stringify(host.log.lines), /s3cret/);
    host.store.setConfig(CONFIG);
    await host.clock.advance(5000);
    await learning;
  });

  it("is that the host cannot carry the backend, before anything is changed", async () => {
    const device: VxlanLink = {
      ...{ kind: "link", type: "vxlan", name: "vxlan7" as LinkName, mtu: 1450, up: true, mac: null },
      ...{ vni: 1, port: 8472, local: ADDRESS as never, lower: ETH0, learning: false, gbp: false },
      ...{ external: false, checksumOffload: true },
    };
    const host = start({ objects: [...bareHost(ADDRESS), device] });
    host.store.setConfig(CONFIG);
    await assert.rejects(host.learn(), (error) => {
      assert.ok(isError(error, "backend.unsuitable"), String(error));
      assert.match(error.message, /vxlan7 already has VNI 1/);
      return true;
    });
    assert.deepEqual(host.kernel.applied, []);
  });

  it("is that a program is missing for rules that were asked for", async () => {
    const host = start({ options: { ipMasq: true } });
    host.store.setConfig(CONFIG);
    await assert.rejects(host.learn(), (error) => isError(error, "firewall.missing"));
  });

  it("is that there is no interface", async () => {
    const host = start({ objects: [] as readonly NetObject[] });
    host.store.setConfig(CONFIG);
    await assert.rejects(host.learn(), (error) => isError(error, "interface.not-found"));
  });
});

describe("a start without etcd", () => {
  it("goes on with what this host remembers, and comes up with its lease and its peers", async () => {
    const host = start();
    const own = await ownLease(host);
    await host.remember(own);
    host.store.disconnect();
    const learning = host.learn();
    await host.clock.advance(10_000);
    const learned = await learning;
    assert.deepEqual([learned.isAway, learned.list, learned.overlay.text], [true, null, CONFIG]);
    assert.deepEqual([...(learned.lately?.leases.keys() ?? [])], [own.key, PEER.key]);
    const acquiring = host.acquire();
    await host.clock.advance(10_000);
    const acquired = await acquiring;
    assert.deepEqual([acquired.fresh, acquired.lease.subnet.v4], [false, "10.5.52.0/24"]);
    assert.equal(host.waiting("lease"), null);
    assert.ok(host.log.messages("warn").includes("etcd cannot be used; going on with what was remembered"));
  });

  it("waits when what it remembers is another host's, and says why", async () => {
    const host = start();
    await host.remember(leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.99", nodeId: "another" }));
    host.store.disconnect();
    const learning = host.learn();
    await host.clock.advance(10_000);
    assert.ok(host.log.messages("warn").some((message) => message.includes("is of no use")));
    assert.match(host.waiting("config") ?? "", /connection refused/);
    host.store.setConfig(CONFIG);
    host.store.connect();
    await host.clock.advance(5000);
    assert.equal((await learning).isAway, false);
  });
});

describe("the subnet that a start leases", () => {
  it("is that of the subnet file before that of what is remembered", async () => {
    for (const [file, subnet] of [
      ["FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.77.1/24\n", "10.5.77.0/24"],
      ["", "10.5.52.0/24"],
      ["FLANNEL_SUBNET=nonsense\n", "10.5.52.0/24"],
    ] as const) {
      const host = start();
      await host.remember(await ownLease(host));
      host.publish(file);
      const { lease, fresh } = await host.acquire();
      assert.deepEqual([lease.subnet.v4, fresh], [subnet, true], file);
    }
  });

  it("says this host's id and its public IP", async () => {
    const host = start();
    host.store.setConfig(CONFIG);
    const { lease } = await host.acquire();
    const { self } = await host.learn();
    assert.deepEqual([lease.attrs.publicIp, lease.attrs.nodeId], [ADDRESS, self.nodeId]);
    assert.equal(host.waiting("lease"), null);
  });

  it("is no longer remembered once its record is another host's", async () => {
    const host = start();
    await host.remember(await ownLease(host));
    host.store.put(leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.9", nodeId: "another" }));
    const { lease } = await host.acquire();
    assert.notEqual(lease.subnet.v4, "10.5.52.0/24");
    await host.clock.advance(0);
    assert.equal((await host.learn()).last, null);
  });
});
