import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { NetworkView } from "../../src/backends/backend.ts";
import { createUdp } from "../../src/backends/udp.ts";
import type { Userspace } from "../../src/backends/userspace.ts";
import { exitStatusOf, isError } from "../../src/base/errors.ts";
import { parseIpv4 } from "../../src/base/ip.ts";
import { type DataPlane, openDataPlane } from "../../src/data-plane.ts";
import { type CapturedLog, createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock, type FakeClock } from "../fakes/fake-clock.ts";
import { createFakeDatapath, type FakeDatapath, NO_COUNTERS } from "../fakes/fake-datapath.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { UDP_PEER, UDP_UNDERLAY, udpLease, udpView } from "../support/udp-host.ts";

let clock: FakeClock;
let log: CapturedLog;
let datapath: FakeDatapath;
let plane: DataPlane;
let stop: AbortController;
let ended: Promise<void>;

beforeEach(() => {
  clock = createFakeClock();
  log = createCapturedLog();
  datapath = createFakeDatapath();
  stop = new AbortController();
  ended = Promise.resolve();
});
afterEach(async () => {
  stop.abort(new Error("stopped"));
  await ended.catch(() => {});
  plane?.[Symbol.dispose]();
});

function userspaceOf(options = {}): Userspace {
  const { userspace } = createUdp(options);
  assert.ok(userspace);
  return userspace;
}

/** What the plane is told of where nothing else is asked for. */
function follow(view: NetworkView, options = {}): void {
  plane.follow(view, userspaceOf(options));
}

function open(options = {}): DataPlane {
  const userspace = userspaceOf(options);
  const random = createSeededRandom(1);
  plane = openDataPlane(userspace, UDP_UNDERLAY, { clock, random, log, openDatapath: datapath.open });
  return plane;
}

const always = async () => {};

/** Opens it and lets it run on a device that is always ready. */
async function run(deviceReady: (signal: AbortSignal) => Promise<void> = always): Promise<void> {
  open();
  follow(udpView());
  ended = plane.run(deviceReady, stop.signal);
  ended.catch(() => {});
  await clock.advance(0);
}

describe("the data plane", () => {
  it("attaches to the device once it is ready, and says what is on and what is off", async () => {
    let makeReady = () => {};
    await run(() => new Promise((resolve) => (makeReady = resolve)));
    assert.equal(datapath.attempts(), 0);
    assert.equal(plane.trouble(), "not attached to the device yet");
    makeReady();
    await clock.advance(0);
    const tunnel = { device: "flannel0", ipv4: "10.5.52.0", ipv6: null, mtu: 1472, checkSource: true };
    assert.deepEqual(datapath.tunnel(), tunnel);
    assert.equal(plane.trouble(), null);
    const { fields } = log.lines.find(({ message }) => message === "packets are carried") ?? {};
    const on = "VnetHeader,TSO,USO,UDPSegment,UDPGRO,CoalesceTCP,CoalesceUDP,VectorChecksum";
    assert.deepEqual(fields, { dev: "flannel0", port: 8285, on, off: "none", buffer: 8_388_608 });
  });

  it("names what the config has switched off", async () => {
    open({ TSO: false, UDPGRO: false });
    follow(udpView());
    ended = plane.run(always, stop.signal);
    ended.catch(() => {});
    await clock.advance(0);
    const { fields } = log.lines.find(({ message }) => message === "packets are carried") ?? {};
    assert.deepEqual(fields, {
      dev: "flannel0",
      port: 8285,
      on: "VnetHeader,USO,UDPSegment,CoalesceTCP,CoalesceUDP,VectorChecksum",
      off: "TSO,UDPGRO",
      buffer: 8_388_608,
    });
  });

  it("says when the kernel rejects what it has offered", async () => {
    await run();
    datapath.loseFeature("UDPSegment", "EIO");
    const line = log.lines.at(-1);
    assert.deepEqual([line?.level, line?.fields], ["warn", { feature: "UDPSegment", errno: "EIO" }]);
  });

  it("does not attach before it knows who we are", async () => {
    open();
    ended = plane.run(always, stop.signal);
    ended.catch(() => {});
    await clock.advance(10_000);
    assert.equal(datapath.attempts(), 0);
    follow(udpView());
    await clock.advance(10_000);
    assert.ok(datapath.tunnel());
  });

  it("is ready once packets are carried", async () => {
    datapath.attachError = "ENODEV";
    await run();
    let ready = false;
    void plane.ready(stop.signal).then(() => (ready = true));
    await clock.advance(1000);
    assert.equal(ready, false);
    datapath.attachError = null;
    await clock.advance(1000);
    assert.equal(ready, true);
  });
});

describe("the socket of the data plane", () => {
  const moved = { ...UDP_UNDERLAY, address: parseIpv4("192.168.64.3") };

  it("is opened anew at another address before the old one is closed, with the same peers", async () => {
    await run();
    follow(udpView({ underlay: moved }));
    await clock.advance(0);
    assert.equal(datapath.options()?.address, "192.168.64.3");
    assert.equal(datapath.tunnel()?.device, "flannel0");
    assert.equal(datapath.routes().length, 1);
    assert.equal(datapath.attempts(), 2);
    assert.deepEqual([plane.trouble(), plane.socketTrouble()], [null, null]);
  });

  it("stays as it is while the new address cannot be had, which is told once, and is tried again", async () => {
    await run();
    datapath.openError = "EADDRNOTAVAIL";
    follow(udpView({ underlay: moved }));
    plane.check();
    await clock.advance(1000);
    assert.equal(datapath.options()?.address, "192.168.64.2");
    assert.equal(datapath.attempts(), 1);
    assert.match(plane.socketTrouble() ?? "", /192\.168\.64\.3:8285/);
    assert.equal(log.messages().filter((message) => message.startsWith("cannot open the socket")).length, 1);
    datapath.openError = null;
    plane.check();
    await clock.advance(0);
    assert.equal(datapath.options()?.address, "192.168.64.3");
    assert.equal(plane.socketTrouble(), null);
  });

  it("is well again when the address comes back that it has", async () => {
    await run();
    datapath.openError = "EADDRNOTAVAIL";
    for (let time = 0; time < 2; time++) {
      follow(udpView({ underlay: moved }));
      plane.check();
      await clock.advance(1000);
      follow(udpView());
      plane.check();
      await clock.advance(200_000);
    }
    assert.equal(plane.socketTrouble(), null);
    const told = log.messages().filter((message) => message.includes("socket"));
    const [raised, settled] = ["cannot open the socket at the underlay's new address", "the socket is open again"];
    assert.deepEqual(told, [raised, settled, raised, settled]);
  });

  it("is closed again without having been used when the address comes back meanwhile", async () => {
    let makeReady = () => {};
    await run(() => new Promise((resolve) => (makeReady = resolve)));
    follow(udpView({ underlay: moved }));
    follow(udpView());
    makeReady();
    await clock.advance(0);
    assert.equal(datapath.options()?.address, "192.168.64.2");
    assert.ok(datapath.tunnel());
  });

  it("adds up what all have carried", async () => {
    datapath.counters = { ...NO_COUNTERS, sentPackets: 5 };
    await run();
    follow(udpView({ underlay: moved }));
    await clock.advance(0);
    plane.report();
    assert.equal(log.lines.find(({ message }) => message === "sent to peers")?.fields.packets, 10);
  });

  it("is attached anew at once when the MTU of the device changes", async () => {
    await run();
    follow(udpView({ underlay: { ...UDP_UNDERLAY, mtu: 1400 } }));
    await clock.advance(0);
    assert.equal(datapath.tunnel()?.mtu, 1372);
    assert.equal(datapath.attempts(), 2);
  });

  it("is attached anew at once when the config says another MTU", async () => {
    await run();
    follow(udpView(), { MTU: 1300 });
    await clock.advance(0);
    assert.equal(datapath.tunnel()?.mtu, 1272);
    follow(udpView());
    await clock.advance(0);
    assert.equal(datapath.tunnel()?.mtu, 1472);
    assert.equal(datapath.attempts(), 3);
  });
});

describe("the peers of the data plane", () => {
  it("are handed on, and taken away when they are gone", () => {
    open();
    follow(udpView());
    assert.deepEqual(datapath.routes(), [{ subnet: "10.5.20.0/24", address: "192.168.64.4", port: 8285 }]);
    follow(udpView({ peers: [udpLease("10.5.9.0/24", "192.168.64.9"), UDP_PEER] }));
    assert.equal(datapath.routes().length, 2);
    follow(udpView({ peers: [] }));
    assert.deepEqual(datapath.routes(), []);
  });

  it("stay while not all are known", () => {
    open();
    follow(udpView());
    follow(udpView({ peers: [], complete: false }));
    assert.equal(datapath.routes().length, 1);
  });

  it("are those that are remembered while etcd has not answered", () => {
    open();
    follow(udpView({ complete: false }));
    assert.equal(datapath.routes().length, 1);
  });

  it("are not what a device is attached to again for", async () => {
    await run();
    follow(udpView({ peers: [] }));
    await clock.advance(60_000);
    assert.equal(datapath.attempts(), 1);
  });
});

describe("a device that is taken away", () => {
  it("is let go of, said to be gone, and attached to again once it is back", async () => {
    await run();
    datapath.attachError = "ENODEV";
    datapath.end("EBADFD");
    await clock.advance(0);
    assert.equal(datapath.tunnel(), null);
    assert.equal(plane.trouble(), "the device flannel0 was taken away (EBADFD)");
    await clock.advance(1000);
    assert.equal(plane.trouble(), "the device flannel0 is not there");
    datapath.attachError = null;
    await clock.advance(1000);
    assert.ok(datapath.tunnel());
    assert.equal(plane.trouble(), null);
    assert.deepEqual(log.messages("warn"), ["packets are no longer carried", "cannot attach to the device"]);
    assert.equal(log.messages("info").filter((message) => message === "attached to the device again").length, 1);
  });

  it("by getting another name is let go of at the next look, and the one that is made in its place attached to", async () => {
    await run();
    plane.check();
    await clock.advance(0);
    assert.equal(plane.trouble(), null);
    datapath.rename("gone0");
    plane.check();
    await clock.advance(0);
    assert.equal(datapath.tunnel(), null);
    await clock.advance(1000);
    assert.equal(datapath.attempts(), 2);
    assert.equal(plane.trouble(), null);
  });

  it("is back within a tenth of a second after it was made anew, however often that happens", async () => {
    await run();
    for (let round = 0; round < 8; round++) {
      datapath.attachError = "ENODEV";
      datapath.end("EBADFD");
      await clock.advance(3000);
      datapath.attachError = null;
      await clock.advance(100);
      assert.ok(datapath.tunnel(), `round ${round}`);
      await clock.advance(11_000);
    }
    for (let round = 0; round < 3; round++) {
      datapath.attachError = "ENODEV";
      datapath.end("EBADFD");
      await clock.advance(2000);
      datapath.attachError = null;
      await clock.advance(100);
      assert.ok(datapath.tunnel(), `soon after, round ${round}`);
    }
  });

  it("is not asked for in the meantime when the reconciler says that it is not ready", async () => {
    let ready = true;
    await run(async (signal) => {
      while (!ready) await clock.sleep(1000 as never, signal);
    });
    ready = false;
    datapath.end("EBADFD");
    await clock.advance(60_000);
    assert.equal(datapath.attempts(), 1);
    ready = true;
    await clock.advance(2000);
    assert.equal(datapath.attempts(), 2);
  });
});

describe("a data path that ends at once, over and over", () => {
  it("is tried again at growing intervals, up to five seconds, and at once after it has worked for a while", async () => {
    await run();
    for (let round = 0; round < 60; round++) {
      datapath.end("EBADF");
      await clock.advance(1000);
    }
    assert.ok(datapath.attempts() < 30, `${datapath.attempts()} attempts in a minute`);
    await clock.advance(20_000);
    assert.ok(datapath.tunnel());
    datapath.end("EBADF");
    await clock.advance(100);
    assert.ok(datapath.tunnel(), "what worked for long is tried again at once");
  });
});

describe("a device that cannot be attached to", () => {
  for (const [errno, sentence] of [
    ["EBUSY", "another process carries the packets of flannel0: is a second flanneld running?"],
    ["EPERM", "EPERM: refused"],
  ] as const) {
    it(`because of ${errno} is said so once, and tried again ever more seldom`, async () => {
      datapath.attachError = errno;
      await run();
      assert.equal(plane.trouble(), sentence);
      await clock.advance(50_000);
      const complaints = log.lines.filter(({ message }) => message === "cannot attach to the device");
      assert.equal(complaints.length, 1);
      assert.deepEqual(complaints[0]?.fields, { dev: "flannel0", reason: sentence });
      const attempts = datapath.attempts();
      assert.ok(attempts >= 10 && attempts <= 30, `${attempts} attempts`);
      datapath.attachError = null;
      await clock.advance(5000);
      assert.equal(plane.trouble(), null);
    });
  }
});

describe("a data path that cannot be opened", () => {
  const refusal = (errno: string): unknown => {
    datapath.openError = errno;
    try {
      open();
    } catch (error) {
      return error;
    }
    throw new Error("it was opened");
  };

  it("because the port is taken says which, how to find out by whom, and what to do", () => {
    const error = refusal("EADDRINUSE");
    assert.ok(isError(error, "listen.failed"));
    assert.match(
      error.message,
      /192\.168\.64\.2:8285: another process has this UDP port \(ss -lunp\); stop it, or set another Port/,
    );
    assert.equal(exitStatusOf(error), 78);
  });

  it("because there are no TUN devices says what to load or to give", () => {
    for (const errno of ["ENOENT", "ENODEV", "ENXIO"]) {
      const error = refusal(errno);
      assert.ok(isError(error, "backend.unsuitable"));
      assert.match(error.message, /no \/dev\/net\/tun: load the kernel module tun .*or give the container/);
    }
  });

  it("because it is not allowed says what must be", () => {
    for (const errno of ["EACCES", "EPERM"]) {
      const error = refusal(errno);
      assert.ok(isError(error, "backend.unsuitable"));
      assert.match(error.message, /may not be opened: run flanneld as root with CAP_NET_ADMIN/);
    }
  });

  it("because of something else says that", () => {
    const error = refusal("EADDRNOTAVAIL");
    assert.ok(isError(error, "listen.failed"));
    assert.match(error.message, /EADDRNOTAVAIL/);
  });
});

describe("a report of the data plane", () => {
  it("has every counter, and how many packets go into a system call", () => {
    open();
    datapath.counters = { ...NO_COUNTERS, sentPackets: 450, sentBytes: 600_000, sentMessages: 20, sentCalls: 10 };
    plane.report();
    const fieldsOf = (message: string) => log.lines.find((line) => line.message === message)?.fields;
    assert.deepEqual(fieldsOf("sent to peers"), {
      ...{ packets: 450, bytes: 600_000, messages: 20, calls: 10, packetsPerCall: 45, reads: 0, segmented: 0 },
    });
    assert.equal(fieldsOf("received from peers")?.packetsPerCall, 0);
  });

  it("shows each counter in a place of its own", () => {
    open();
    const names = Object.keys(NO_COUNTERS);
    datapath.counters = Object.fromEntries(names.map((name, index) => [name, 1000 + index])) as never;
    plane.report();
    const shown = log.lines.flatMap(({ fields }) => Object.values(fields));
    for (const [index, name] of names.entries()) {
      assert.equal(shown.filter((value) => value === 1000 + index).length, 1, name);
    }
  });
});

describe("the data plane's end", () => {
  it("closes the data path", async () => {
    await run();
    stop.abort(new Error("stopped"));
    await assert.rejects(ended, /stopped/);
    plane[Symbol.dispose]();
    assert.equal(datapath.options(), null);
    assert.equal(datapath.tunnel(), null);
  });

  it("interrupts every wait", async () => {
    datapath.attachError = "EBUSY";
    await run();
    const waiting = plane.ready(stop.signal);
    stop.abort(new Error("stopped"));
    await assert.rejects(ended, /stopped/);
    await assert.rejects(waiting, /stopped/);
  });
});

describe("the tunnel of the data plane", () => {
  it("is that of the newest view when it attaches again", async () => {
    await run();
    follow(udpView({ self: udpLease("10.5.99.0/24", "192.168.64.2") }));
    datapath.end("EBADFD");
    await clock.advance(1000);
    assert.equal(datapath.tunnel()?.ipv4, "10.5.99.0");
  });
});
