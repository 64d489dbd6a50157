import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import type { Json } from "../../src/base/json.ts";
import { HOST_GW, UDP, VXLAN } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { openRawPeer } from "../support/raw-peer.ts";

const { signal } = new AbortController();
const LIMIT = seconds(60);
const PROGRAM = join(import.meta.dirname, "../../../bin/flanneld");
let cluster: Cluster;

before(async () => {
  cluster = await openCluster(1, VXLAN.config, signal);
  // The kernel goes on configuring IPv6 for a moment; what is compared below must have come to rest.
  // Kernel: of a link-local address on a host that forwards, the route of the anycast address comes last.
  const settled = async () => {
    const routes = await cluster.on(0, "ip", "-6", "route", "show", "table", "local", "dev", "eth0");
    return /^anycast fe80:: /m.test(routes) && /^local fe80::\S+ /m.test(routes) ? true : null;
  };
  await waitFor("the end of duplicate address detection", settled, LIMIT, signal);
});
after(async () => cluster?.[Symbol.asyncDispose]());

/** Everything that a start could change. */
async function world(): Promise<string> {
  const links = await cluster.on(0, "ip", "-d", "-o", "link");
  const addresses = await cluster.on(0, "ip", "-o", "addr");
  const routes = await cluster.on(0, "ip", "route", "show", "table", "all");
  const store = JSON.parse(await cluster.etcdctl("get", "-w", "json", "--prefix", "/")) as {
    header: { revision: number };
  };
  const leases = await cluster.etcdctl("lease", "list");
  return JSON.stringify([links, addresses, routes, store.header.revision, leases]);
}

interface Refusal {
  readonly status: number;
  readonly says: RegExp;
}

/** Starts the daemon and sees it refuse: with one sentence for a person, the exit status, and nothing changed. */
async function refuses(
  words: readonly string[],
  { status, says }: Refusal,
  wrap: readonly string[] = [],
): Promise<void> {
  const before = await world();
  const flags = [
    `--etcd-endpoints=${cluster.endpoint}`,
    `--subnet-file=${cluster.hosts[0]?.directory}/subnet.env`,
    `--state-dir=${cluster.hosts[0]?.directory}/state`,
  ];
  const output = await cluster.tryOn(0, ...wrap, PROGRAM, ...flags, ...words);
  assert.match(output.stderr, says);
  assert.equal(output.status, status, output.stderr);
  assert.doesNotMatch(output.stderr, /^\s+at .*:\d+/m, "no stack trace");
  assert.equal(await world(), before);
}

async function withConfig(config: Json | string, test: () => Promise<void>): Promise<void> {
  await cluster.etcdctl("put", `${PREFIX}/config`, typeof config === "string" ? config : JSON.stringify(config));
  try {
    await test();
  } finally {
    await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(VXLAN.config));
  }
}

describe("the command line", () => {
  it("with an unknown flag is refused, together with every other problem", async () => {
    await refuses(["-etcd-endpoint=x", "-subnet-lease-renew-margin=1440"], { status: 64, says: /-etcd-endpoint\b/ });
    await refuses(["-etcd-endpoint=x", "-subnet-lease-renew-margin=1440"], {
      status: 64,
      says: /-subnet-lease-renew-margin/,
    });
  });

  it("with a certificate file that cannot be read is refused", async () => {
    const words = ["-etcd-endpoints=https://127.0.0.1:2379", "-etcd-cafile=/nonexistent/ca.pem"];
    await refuses(words, { status: 78, says: /\/nonexistent\/ca\.pem/ });
  });
});

describe("a network config", () => {
  it("that is not JSON is refused", async () => {
    await withConfig("{Network: 10.5.0.0/16}", () =>
      refuses([], { status: 78, says: /network config in etcd at \/coreos\.com\/network\/config/ }),
    );
  });

  it("with a subnet length that does not fit is refused", async () => {
    await withConfig({ Network: "10.5.0.0/16", SubnetLen: 17, Backend: { Type: "vxlan" } }, () =>
      refuses([], { status: 78, says: /SubnetLen.*four subnets/ }),
    );
  });

  it("with SubnetMin above SubnetMax is refused", async () => {
    const config = {
      Network: "10.5.0.0/16",
      SubnetMin: "10.5.20.0",
      SubnetMax: "10.5.10.0",
      Backend: { Type: "vxlan" },
    };
    await withConfig(config, () => refuses([], { status: 78, says: /SubnetMin/ }));
  });

  it("with a switch of udp that is none is refused with its path", async () => {
    await withConfig({ Network: "10.5.0.0/16", Backend: { Type: "udp", TSO: "off" } }, () =>
      refuses([], { status: 78, says: /\$\.Backend\.TSO/ }),
    );
  });

  it("with an unknown backend is refused, naming it and the known ones", async () => {
    await withConfig({ Network: "10.5.0.0/16", Backend: { Type: "vxlam" } }, () =>
      refuses([], { status: 78, says: /vxlam.*known: vxlan, host-gw/ }),
    );
  });
});

describe("the host", () => {
  it("without the interface that is asked for is told what it has", async () => {
    await refuses(["-iface=eth7"], { status: 78, says: /eth7.*eth0 \(192\.168\.77\.11\)/ });
  });

  it("without CAP_NET_ADMIN is told the capability by name", async () => {
    const wrap = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"];
    await refuses([], { status: 77, says: /CAP_NET_ADMIN/ }, wrap);
  });

  it("with another vxlan device on our VNI and port is told its name", async () => {
    const add = "ip link add vx0 type vxlan id 1 dstport 8472 local 192.168.77.11 dev eth0 nolearning";
    await cluster.on(0, ...add.split(" "));
    try {
      await refuses([], { status: 78, says: /vx0/ });
    } finally {
      await cluster.on(0, "ip", "link", "del", "vx0");
    }
  });

  it("behind NAT cannot have host-gw, is told so in the words that people search for, and what to do", async () => {
    const says = /your PublicIP differs from interface IP, meaning that probably you're on a NAT: .*--public-ip.*vxlan/;
    await withConfig(HOST_GW.config, () => refuses(["-public-ip=203.0.113.9"], { status: 78, says }));
  });

  it("on which somebody else has the port of udp is told which, and what to do", async () => {
    const { namespace, address } = cluster.hosts[0] ?? assert.fail();
    using _holder = await openRawPeer(namespace, address, 8285, signal);
    const says =
      /192\.168\.77\.11:8285: process \d+ \(.*\) has this UDP port \(ss -lunp\); stop it, or set another Port in the Backend/;
    await withConfig(UDP.config, () => refuses([], { status: 78, says }));
  });

  it("without TUN devices cannot have udp, and is told what to load or to give", async () => {
    const wrap = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh"];
    const says = /backend udp cannot run here: there is no \/dev\/net\/tun: load .*modprobe tun/;
    await withConfig(UDP.config, () => refuses([], { status: 78, says }, wrap));
  });

  it("that comes when all subnets are leased waits, says how many there are, and has the first that is free", async () => {
    const config = { Network: "10.5.0.0/24", SubnetLen: 26, Backend: { Type: "vxlan" } };
    const keys = ["10.5.0.64-26", "10.5.0.128-26", "10.5.0.192-26"];
    for (const [index, key] of keys.entries()) {
      await cluster.etcdctl(
        "put",
        `${PREFIX}/subnets/${key}`,
        `{"PublicIP":"192.168.77.20${index}","PublicIPv6":null}`,
      );
    }
    try {
      await withConfig(config, async () => {
        const daemon = cluster.start(0);
        await daemon.waitForLog(/cannot lease a subnet yet.*out of subnets: all 3 /, LIMIT, signal);
        await cluster.etcdctl("del", `${PREFIX}/subnets/${keys[1]}`);
        await daemon.ready(signal);
        assert.match(readFileSync(daemon.subnetFile, "utf8"), /FLANNEL_SUBNET=10\.5\.0\.129\/26/);
        await daemon.stop(signal);
        await cluster.on(0, "ip", "link", "del", "flannel.1");
      });
    } finally {
      await cluster.etcdctl("del", "--prefix", `${PREFIX}/subnets/`);
    }
  });
});
