import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { NO_COUNTERS } from "../fakes/fake-datapath.ts";
import { type DataPlaneHost, openDataPlaneHost } from "../support/data-plane-host.ts";
import { UDP_PEER, udpLease, udpView } from "../support/udp-host.ts";

let host: DataPlaneHost;

beforeEach(() => {
  host = openDataPlaneHost();
});
afterEach(() => host[Symbol.asyncDispose]());

describe("the data plane", () => {
  it("attaches to the device once it is ready, and says what is on and what is off", async () => {
    let makeReady = () => {};
    await host.run(() => new Promise((resolve) => (makeReady = resolve)));
    assert.equal(host.datapath.attempts(), 0);
    assert.equal(host.plane.trouble(), "not attached to the device yet");
    makeReady();
    await host.clock.advance(0);
    const tunnel = { device: "flannel0", ipv4: "10.5.52.0", ipv6: null, mtu: 1472, checkSource: true };
    assert.deepEqual(host.datapath.tunnel(), tunnel);
    assert.equal(host.plane.trouble(), null);
    const { fields } = host.log.lines.find(({ message }) => message === "packets are carried") ?? {};
    const on = "VnetHeader,TSO,USO,UDPSegment,UDPGRO,CoalesceTCP,CoalesceUDP,VectorChecksum";
    assert.deepEqual(fields, { dev: "flannel0", port: 8285, on, off: "none", buffer: 8_388_608 });
  });

  it("names what the config has switched off", async () => {
    host.open({ TSO: false, UDPGRO: false });
    host.follow(udpView());
    void host.begin();
    await host.clock.advance(0);
    const { fields } = host.log.lines.find(({ message }) => message === "packets are carried") ?? {};
    assert.deepEqual(fields, {
      dev: "flannel0",
      port: 8285,
      on: "VnetHeader,USO,UDPSegment,CoalesceTCP,CoalesceUDP,VectorChecksum",
      off: "TSO,UDPGRO",
      buffer: 8_388_608,
    });
  });

  it("says when the kernel rejects what it has offered", async () => {
    await host.run();
    host.datapath.loseFeature("UDPSegment", "EIO");
    const line = host.log.lines.at(-1);
    assert.deepEqual([line?.level, line?.fields], ["warn", { feature: "UDPSegment", errno: "EIO" }]);
  });

  it("does not attach before it knows who we are", async () => {
    host.open();
    void host.begin();
    await host.clock.advance(10_000);
    assert.equal(host.datapath.attempts(), 0);
    host.follow(udpView());
    await host.clock.advance(10_000);
    assert.ok(host.datapath.tunnel());
  });

  it("is ready once packets are carried", async () => {
    host.datapath.attachError = "ENODEV";
    await host.run();
    let ready = false;
    void host.plane.ready(host.stop.signal).then(() => (ready = true));
    await host.clock.advance(1000);
    assert.equal(ready, false);
    host.datapath.attachError = null;
    await host.clock.advance(1000);
    assert.equal(ready, true);
  });
});

describe("the peers of the data plane", () => {
  it("are handed on, and taken away when they are gone", () => {
    host.open();
    host.follow(udpView());
    assert.deepEqual(host.datapath.routes(), [{ subnet: "10.5.20.0/24", address: "192.168.64.4", port: 8285 }]);
    host.follow(udpView({ peers: [udpLease("10.5.9.0/24", "192.168.64.9"), UDP_PEER] }));
    assert.equal(host.datapath.routes().length, 2);
    host.follow(udpView({ peers: [] }));
    assert.deepEqual(host.datapath.routes(), []);
  });

  it("stay while not all are known", () => {
    host.open();
    host.follow(udpView());
    host.follow(udpView({ peers: [], complete: false }));
    assert.equal(host.datapath.routes().length, 1);
  });

  it("are those that are remembered while etcd has not answered", () => {
    host.open();
    host.follow(udpView({ complete: false }));
    assert.equal(host.datapath.routes().length, 1);
  });

  it("are not what a device is attached to again for", async () => {
    await host.run();
    host.follow(udpView({ peers: [] }));
    await host.clock.advance(60_000);
    assert.equal(host.datapath.attempts(), 1);
  });
});

describe("a device that is taken away", () => {
  it("is let go of, said to be gone, and attached to again once it is back", async () => {
    await host.run();
    host.datapath.attachError = "ENODEV";
    host.datapath.end("EBADFD");
    await host.clock.advance(0);
    assert.equal(host.datapath.tunnel(), null);
    assert.equal(host.plane.trouble(), "the device flannel0 was taken away (EBADFD)");
    await host.clock.advance(1000);
    assert.equal(host.plane.trouble(), "the device flannel0 is not there");
    host.datapath.attachError = null;
    await host.clock.advance(1000);
    assert.ok(host.datapath.tunnel());
    assert.equal(host.plane.trouble(), null);
    assert.deepEqual(host.log.messages("warn"), ["packets are no longer carried", "cannot attach to the device"]);
    assert.equal(host.log.messages("info").filter((message) => message === "attached to the device again").length, 1);
  });

  it("by getting another name is let go of at the next look, and the one that is made in its place attached to", async () => {
    await host.run();
    host.plane.check();
    await host.clock.advance(0);
    assert.equal(host.plane.trouble(), null);
    host.datapath.rename("gone0");
    host.plane.check();
    await host.clock.advance(0);
    assert.equal(host.datapath.tunnel(), null);
    await host.clock.advance(1000);
    assert.equal(host.datapath.attempts(), 2);
    assert.equal(host.plane.trouble(), null);
  });

  it("is not taken away again because the worker says late that the one before is gone", async () => {
    await host.run();
    host.datapath.rename("gone0");
    host.plane.check();
    await host.clock.advance(0);
    assert.equal(host.datapath.tunnel(), null);
    host.datapath.end("EBADFD");
    await host.clock.advance(1000);
    assert.equal(host.datapath.attempts(), 2);
    assert.deepEqual(host.log.messages("warn"), ["packets are no longer carried"]);
  });

  it("is back within a tenth of a second after it was made anew, however often that happens", async () => {
    await host.run();
    for (let round = 0; round < 8; round++) {
      host.datapath.attachError = "ENODEV";
      host.datapath.end("EBADFD");
      await host.clock.advance(3000);
      host.datapath.attachError = null;
      await host.clock.advance(100);
      assert.ok(host.datapath.tunnel(), `round ${round}`);
      await host.clock.advance(11_000);
    }
    for (let round = 0; round < 3; round++) {
      host.datapath.attachError = "ENODEV";
      host.datapath.end("EBADFD");
      await host.clock.advance(2000);
      host.datapath.attachError = null;
      await host.clock.advance(100);
      assert.ok(host.datapath.tunnel(), `soon after, round ${round}`);
    }
  });

  it("is not asked for in the meantime when the reconciler says that it is not ready", async () => {
    let ready = true;
    await host.run(async (signal) => {
      while (!ready) await host.clock.sleep(1000 as never, signal);
    });
    ready = false;
    host.datapath.end("EBADFD");
    await host.clock.advance(60_000);
    assert.equal(host.datapath.attempts(), 1);
    ready = true;
    await host.clock.advance(2000);
    assert.equal(host.datapath.attempts(), 2);
  });
});

describe("a data path that ends at once, over and over", () => {
  it("is tried again at growing intervals, up to five seconds, and at once after it has worked for a while", async () => {
    await host.run();
    for (let round = 0; round < 60; round++) {
      host.datapath.end("EBADF");
      await host.clock.advance(1000);
    }
    assert.ok(host.datapath.attempts() < 30, `${host.datapath.attempts()} attempts in a minute`);
    await host.clock.advance(20_000);
    assert.ok(host.datapath.tunnel());
    host.datapath.end("EBADF");
    await host.clock.advance(100);
    assert.ok(host.datapath.tunnel(), "what worked for long is tried again at once");
  });
});

describe("a device that cannot be attached to", () => {
  for (const [errno, sentence] of [
    ["EBUSY", "another process carries the packets of flannel0: is a second flanneld running?"],
    ["EPERM", "EPERM: refused"],
  ] as const) {
    it(`because of ${errno} is said so once, and tried again ever more seldom`, async () => {
      host.datapath.attachError = errno;
      await host.run();
      assert.equal(host.plane.trouble(), sentence);
      await host.clock.advance(50_000);
      const complaints = host.log.lines.filter(({ message }) => message === "cannot attach to the device");
      assert.equal(complaints.length, 1);
      assert.deepEqual(complaints[0]?.fields, { dev: "flannel0", reason: sentence });
      const attempts = host.datapath.attempts();
      assert.ok(attempts >= 10 && attempts <= 30, `${attempts} attempts`);
      host.datapath.attachError = null;
      await host.clock.advance(5000);
      assert.equal(host.plane.trouble(), null);
    });
  }
});

describe("a report of the data plane", () => {
  it("has every counter, and how many packets go into a system call", () => {
    host.open();
    host.datapath.counters = { ...NO_COUNTERS, sentPackets: 450, sentBytes: 600_000, sentMessages: 20, sentCalls: 10 };
    host.plane.report();
    const fieldsOf = (message: string) => host.log.lines.find((line) => line.message === message)?.fields;
    assert.deepEqual(fieldsOf("sent to peers"), {
      ...{ packets: 450, bytes: 600_000, messages: 20, calls: 10, packetsPerCall: 45, reads: 0, segmented: 0 },
    });
    assert.equal(fieldsOf("received from peers")?.packetsPerCall, 0);
  });

  it("shows each counter in a place of its own", () => {
    host.open();
    const names = Object.keys(NO_COUNTERS);
    host.datapath.counters = Object.fromEntries(names.map((name, index) => [name, 1000 + index])) as never;
    host.plane.report();
    const shown = host.log.lines.flatMap(({ fields }) => Object.values(fields));
    for (const [index, name] of names.entries()) {
      assert.equal(shown.filter((value) => value === 1000 + index).length, 1, name);
    }
  });
});

describe("the data plane's end", () => {
  it("closes the data path", async () => {
    const { ended } = await host.run();
    host.stop.abort(new Error("stopped"));
    await assert.rejects(ended, /stopped/);
    host.plane[Symbol.dispose]();
    assert.equal(host.datapath.options(), null);
    assert.equal(host.datapath.tunnel(), null);
  });

  it("interrupts every wait", async () => {
    host.datapath.attachError = "EBUSY";
    const { ended } = await host.run();
    const waiting = host.plane.ready(host.stop.signal);
    host.stop.abort(new Error("stopped"));
    await assert.rejects(ended, /stopped/);
    await assert.rejects(waiting, /stopped/);
  });
});

describe("the tunnel of the data plane", () => {
  it("is that of the newest view when it attaches again", async () => {
    await host.run();
    host.follow(udpView({ self: udpLease("10.5.99.0/24", "192.168.64.2") }));
    host.datapath.end("EBADFD");
    await host.clock.advance(1000);
    assert.equal(host.datapath.tunnel()?.ipv4, "10.5.99.0");
  });
});
