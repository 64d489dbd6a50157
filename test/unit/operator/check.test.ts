import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { seconds } from "../../../src/base/brand.ts";
import { FlannelError } from "../../../src/base/errors.ts";
import type { Prefix4 } from "../../../src/base/ip.ts";
import type { Ipv6, Prefix6 } from "../../../src/base/ipv6.ts";
import { parseIpv6, parsePrefix6 } from "../../../src/base/ipv6.ts";
import { known, unknown } from "../../../src/check/facts.ts";
import type { InterfaceFacts } from "../../../src/net/kernel-net.ts";
import type { Link, LinkName } from "../../../src/net/objects.ts";
import { LEASE_TTL } from "../../../src/subnet/lease.ts";
import { dualLease, hostNumber } from "../../support/dual-stack.ts";
import { leaseOf } from "../../support/leases.ts";
import { type OperatorDesk, openDesk, type Said } from "../../support/operator.ts";
import { interfaceOf, OWN, OWN_ID, PEER, recordsOf } from "../../support/well-facts.ts";

const CONFIG = '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}';
let desk: OperatorDesk;

beforeEach(() => {
  desk = openDesk();
  const eth0: Link = {
    kind: "link",
    type: "other",
    name: "eth0" as LinkName,
    mtu: 1500,
    up: true,
    mac: null,
    driver: null,
  };
  desk.look = {
    links: async () => [eth0],
    lookup: async () => ({ dev: eth0.name, source: null, via: null }),
    underlayFacts: async () => ({
      interfaces: [interfaceOf("eth0", "192.168.77.11/24")],
      defaultRoutes: [{ dev: eth0.name, metric: 0 }],
      defaultRoutes6: [],
    }),
  };
});

const check = (...words: readonly string[]): Promise<Said> => desk.runOn("check", ...words);

async function checks(...words: readonly string[]): Promise<Record<string, string>> {
  const { checks: all } = JSON.parse((await check("--json", ...words)).out);
  return Object.fromEntries(
    all.map(({ name, verdict, sentence }: Record<string, string>) => [name, `${verdict}: ${sentence}`]),
  );
}

function withPeers(): void {
  desk.store.writeConfig(CONFIG);
  desk.store.write(recordsOf([OWN, PEER]), LEASE_TTL);
  desk.host.answers.nodeId = async () => OWN_ID;
  desk.pinger.paths.set("192.168.77.12", { device: 1500 });
}

describe("check", () => {
  it("ends with 0 where all is well, with a line for each check and the outcome last", async () => {
    withPeers();
    const { status, out } = await check();
    assert.equal(status, 0, out);
    assert.match(out, /^ok {4}etcd +etcd answers at http:\/\/127\.0\.0\.1:4001/m);
    assert.match(out, /^skip {2}overlay +there is no device of the overlay here yet/m);
    assert.match(out, /\nfine \(\d not looked at\)\n$/);
    assert.equal(desk.pinger.isOpen, false);
  });

  it("pings through the overlay with a device of its network, and not with that of another", async () => {
    withPeers();
    const mark = { vni: 1, port: 8472, local: OWN.attrs.publicIp, lower: "eth0" as LinkName, external: false };
    const fixed = { mtu: 1450, up: true, mac: null, learning: false, gbp: false, checksumOffload: true };
    const device: Link = { kind: "link", type: "vxlan", name: "flannel.1" as LinkName, ...fixed, ...mark };
    const [eth0] = (await desk.look.links?.(new AbortController().signal)) ?? [];
    assert.ok(eth0);
    desk.look = { ...desk.look, links: async () => [eth0, { ...device, name: "flannel.7" as LinkName, vni: 7 }] };
    assert.match((await checks())["overlay"] ?? "", /^skip: there is no device of the overlay here yet/);
    desk.look = { ...desk.look, links: async () => [eth0, device] };
    assert.match((await checks())["overlay"] ?? "", /^fail: 192\.168\.77\.12 .*not through the overlay/);
  });

  it("ends with 2 and the cause last when something is broken, with the command below it", async () => {
    withPeers();
    desk.host.answers.sysctls = async () => ({ "net.ipv4.ip_forward": "0" });
    const { status, out } = await check();
    assert.equal(status, 2);
    assert.match(
      out,
      /^fail {2}ip-forward +net\.ipv4\.ip_forward is 0: this host forwards no packets.*\n +mend: sysctl -w net\.ipv4\.ip_forward=1$/m,
    );
    assert.match(out, /\nbroken: ip-forward: net\.ipv4\.ip_forward is 0: this host forwards no packets/);
  });

  it("tells how the last daemon of its own network has ended, and not that of another", async () => {
    withPeers();
    desk.host.answers.daemons = async () => known([]);
    const note = { kind: "ended", socket: "/run/flannel/flanneld.sock", at: new Date(desk.clock.now()).toISOString() };
    const end = { ...note, pid: 7, status: 78, code: "backend.unsuitable", holder: null } as const;
    desk.notes.push({ ...end, kind: "ended", prefix: "/blue", message: "no TUN" });
    assert.doesNotMatch((await checks())["daemon"] ?? "", /ended/);
    desk.notes.push({ ...end, kind: "ended", prefix: "/coreos.com/network", message: "no interface" });
    const own = { subnet: "10.5.1.0/24" as Prefix4, subnet6: null, mtu: 1450, isOfThisBoot: true };
    desk.host.answers.subnetFile = async () => own;
    assert.match((await checks())["daemon"] ?? "", /^warn: .*subnet\.env is still .* ended .* ago: no interface$/);
    desk.deserted.add("/run/flannel/flanneld.sock");
    desk.notes.length = 0;
    assert.match((await checks())["daemon"] ?? "", /^warn: .*; it was killed: journalctl -u flanneld$/);
  });

  it("goes on with the rest when the kernel refuses a question", async () => {
    withPeers();
    const refuse = async () => {
      throw new FlannelError("netlink.errno", { op: "reading links", errno: "EINTR", message: null });
    };
    desk.look = { links: refuse, lookup: refuse, underlayFacts: refuse, neighbourTable: refuse };
    const { status, out } = await check();
    assert.equal(status, 0, out);
    assert.match(out, /^skip {2}interface +this was not looked at: the kernel refused reading links: EINTR$/m);
    assert.match(out, /^skip {2}peers +the other hosts were not pinged: the kernel refused reading links: EINTR$/m);
    assert.match(out, /^ok {4}etcd/m);
  });

  it("chooses no interface that has this host's own part of the network, of either family", async () => {
    desk.store.writeConfig(
      '{"EnableIPv4": false, "EnableIPv6": true, "IPv6Network": "fd00:5::/48", "Backend": {"Type": "vxlan"}}',
    );
    const [ip, prefix] = [parseIpv6("fd00:5:0:7::1"), parsePrefix6("fd00:5:0:7::/64")];
    const address = { ip, prefix, permanent: true, temporary: false, deprecated: false, tentative: false };
    const bridge = interfaceOf("cni0", "172.17.0.1/16", { addresses: [], addresses6: [address] });
    const facts = { interfaces: [bridge], defaultRoutes: [], defaultRoutes6: [] };
    desk.look = { ...desk.look, underlayFacts: async () => facts };
    assert.match((await checks("-iface=cni0"))["interface"] ?? "", /^ok: cni0/);
    desk.host.answers.subnetFile = async () => ({ subnet: null, subnet6: prefix, mtu: null, isOfThisBoot: true });
    assert.match((await checks("-iface=cni0"))["interface"] ?? "", /^fail: .*cni0/);
  });

  it("asks the peers that a daemon here would have, and says what it leaves out", async () => {
    withPeers();
    const gone = leaseOf({ subnet: "10.5.3.0/24", publicIp: "192.168.77.13", backendType: "host-gw" });
    desk.store.write(recordsOf([gone]), LEASE_TTL);
    const left =
      "1 peer answers on the underlay; 1 record is left out: 10.5.3.0-24: its backend is host-gw, ours is vxlan";
    assert.equal((await checks())["peers"], `ok: ${left}`);
    desk.store.write({ "10.5.4.0-24": "no lease" });
    assert.match((await checks())["peers"] ?? "", /; 2 records are left out, the first: 10\.5\.3\.0-24: its backend/);
  });

  it("ends with 1 when something is degraded, and gives programs the cause by name", async () => {
    withPeers();
    desk.checkup = { ...desk.checkup, clocks: [{ endpoint: "x", ahead: seconds(90) }] };
    const { status, out } = await check("--json");
    const { outcome, cause } = JSON.parse(out);
    assert.deepEqual([status, outcome, cause], [1, "degraded", "clock"]);
  });

  it("works without etcd: it says why, and looks at what it can", async () => {
    const away = new FlannelError("etcd.unavailable", { op: "reading", reason: "connection refused" });
    desk.wrap = (store) => ({ ...store, config: async () => Promise.reject(away) });
    const found = await checks();
    assert.match(found["etcd"] ?? "", /^fail: etcd did not answer \(reading\): connection refused/);
    assert.match(found["config"] ?? "", /^skip/);
    assert.match(found["kernel"] ?? "", /^ok: what vxlan, host-gw and udp need of the kernel is there$/);
    desk.host.answers.tun = async () => known("no module");
    assert.match((await checks())["kernel"] ?? "", /^warn/);
    assert.match((await checks("--backend=udp"))["kernel"] ?? "", /^fail/);
    assert.match((await checks("--backend=vxlan"))["kernel"] ?? "", /^ok/);
  });

  it("works without rights, and says what it could not look at", async () => {
    withPeers();
    const missing = new FlannelError("privilege.missing", { capability: "CAP_NET_RAW" });
    desk.openPinger = async () => Promise.reject(missing);
    desk.host.answers.user = async () => ({ isRoot: false, netAdmin: false, netRaw: false });
    desk.host.answers.vxlan = () => unknown("only root may ask the kernel");
    desk.host.answers.rules = async () => unknown("only root may list rules");
    const { status, out } = await check();
    assert.equal(status, 0, out);
    for (const name of ["privileges", "kernel", "forward-rules", "peers"]) {
      assert.match(out, new RegExp(`^skip  ${name} `, "m"));
    }
  });

  it("goes by the daemon's flags, and refuses what makes no sense of them", async () => {
    withPeers();
    assert.match(
      (await checks("--iface=eth7"))["interface"] ?? "",
      /^fail: no interface has the name or the address eth7/,
    );
    for (const line of ["--public-ip=300.1.1.1", "--iface-regex=(", "--backend=gre"]) {
      assert.equal((await check(line)).status, 64, line);
    }
  });

  it("goes by what the daemon of this network was started with, where it is not told itself", async () => {
    withPeers();
    const settings = {
      iface: { values: ["eth7"], written: "--iface" },
      "state-dir": { values: ["/old", "/lab/state"], written: "FLANNELD_STATE_DIR" },
    };
    const asked: string[] = [];
    desk.host.answers.nodeId = async (path) => {
      asked.push(path);
      return OWN_ID;
    };
    const run = async (prefix: string, ...words: readonly string[]) => {
      desk.host.answers.daemons = async () => known([{ pid: 4711, prefix, settings, root: "" }]);
      return await checks(...words);
    };
    const adopted = await run("/coreos.com/network");
    assert.match(adopted["interface"] ?? "", /^fail: no interface has the name or the address eth7/);
    assert.match(adopted["daemon"] ?? "", /is looked at with its --iface, FLANNELD_STATE_DIR;/);
    const told = await run("/coreos.com/network", "--iface-regex=eth0", "--state-dir=/mine");
    assert.match(told["interface"] ?? "", /^ok: eth0/);
    assert.doesNotMatch(told["daemon"] ?? "", /looked at/);
    assert.match((await run("/other"))["interface"] ?? "", /^ok: eth0/);
    assert.deepEqual(asked.slice(0, 2), ["/lab/state", "/mine"]);
  });

  it("asks the etcd that the daemon was started with, where nothing names another", async () => {
    withPeers();
    const settings = { "etcd-endpoints": { values: ["http://10.0.0.1:2379"], written: "--etcd-endpoints" } };
    desk.host.answers.daemons = async () => known([{ pid: 4711, prefix: "/coreos.com/network", settings, root: "" }]);
    assert.equal((await checks())["etcd"], "ok: etcd answers at http://10.0.0.1:2379");
    const told = await checks("--etcd-endpoints=http://10.0.0.9:2379");
    assert.equal(told["etcd"], "ok: etcd answers at http://10.0.0.9:2379");
    const away = new FlannelError("etcd.unavailable", { op: "reading", reason: "connection refused" });
    desk.wrap = (store) => ({ ...store, config: async () => Promise.reject(away) });
    assert.match((await checks())["etcd"] ?? "", /; the endpoints are those of --etcd-endpoints of process 4711$/);
  });

  it("reads the files of a daemon in a container where they are, and what it is told itself here", async () => {
    withPeers();
    const settings = { "state-dir": { values: ["/state"], written: "--state-dir" } };
    const root = "/proc/4711/root";
    const daemon = { pid: 4711, prefix: "/coreos.com/network", settings, root };
    desk.host.answers.daemons = async () => known([daemon]);
    const asked: string[] = [];
    desk.host.answers.subnetFile = async (path) => {
      asked.push(path);
      return { subnet: null, subnet6: null, mtu: 1400, isOfThisBoot: true };
    };
    desk.host.answers.nodeId = async (...path) => {
      asked.push(path.join(" "));
      return OWN_ID;
    };
    assert.match(
      (await checks())["mtu"] ?? "",
      /^warn: \/proc\/4711\/root\/run\/flannel\/subnet\.env says an MTU of 1400/,
    );
    await checks("--subnet-file=/mine");
    assert.deepEqual(asked, [
      `${root}/run/flannel/subnet.env`,
      `${root}/state ${root}`,
      "/mine",
      `${root}/state ${root}`,
    ]);
  });

  it("goes by the IPv6 default route and the peers' IPv6 addresses in a network without IPv4", async () => {
    desk.store.writeConfig(
      '{"EnableIPv4": false, "EnableIPv6": true, "IPv6Network": "fd00:5::/48", "Backend": {"Type": "vxlan"}}',
    );
    // Its record has an IPv4 address from when the network had IPv4.
    desk.store.write(recordsOf([dualLease(hostNumber(2))]), LEASE_TTL);
    desk.pinger.paths.set("fd77::2", { device: 1500 });
    const eth0 = interfaceOf("eth0", "192.168.77.11/24");
    const [address] = eth0.addresses;
    assert.ok(address);
    const address6 = { ...address, ip: "fd77::1" as Ipv6, prefix: "fd77::/64" as Prefix6 };
    const addresses6 = [address6 as unknown as InterfaceFacts["addresses6"][number]];
    const asked: string[] = [];
    desk.look = {
      ...desk.look,
      underlayFacts: async (families) => ({
        interfaces: [{ ...eth0, addresses6 }],
        defaultRoutes: [],
        defaultRoutes6: families.includes("ipv4") ? [] : [{ dev: eth0.name, metric: 0 }],
      }),
      lookup: async (ip) => {
        asked.push(ip);
        return { dev: eth0.name, source: null, via: null };
      },
    };
    const found = await checks();
    assert.equal(found["interface"], "ok: eth0 (fd77::1) leads to the other hosts");
    assert.equal(found["peers"], "ok: 1 peer answers on the underlay");
    assert.ok(asked.length > 0 && asked.every((ip) => ip.includes(":")), asked.join(" "));
  });

  it("asks how long the record of a silent peer lasts", async () => {
    withPeers();
    desk.pinger.paths.clear();
    assert.match(
      (await checks())["peers"] ?? "",
      /^fail: the peer 192\.168\.77\.12 \(10\.5\.2\.0\/24\) does not answer$/,
    );
    await desk.clock.advance(84_000_000);
    assert.match((await checks())["peers"] ?? "", /^fail: stale peer: .* last renewed 23 h/);
  });
});
