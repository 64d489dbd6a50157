import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { exitStatusOf, isError } from "../../src/base/errors.ts";
import { parseIpv4 } from "../../src/base/ip.ts";
import { NO_COUNTERS } from "../fakes/fake-datapath.ts";
import { type DataPlaneHost, openDataPlaneHost } from "../support/data-plane-host.ts";
import { UDP_UNDERLAY, udpView } from "../support/udp-host.ts";

let host: DataPlaneHost;

beforeEach(() => {
  host = openDataPlaneHost();
});
afterEach(() => host[Symbol.asyncDispose]());

describe("the socket of the data plane", () => {
  const moved = { ...UDP_UNDERLAY, address: parseIpv4("192.168.64.3") };

  it("is opened anew at another address before the old one is closed, with the same peers", async () => {
    await host.run();
    host.follow(udpView({ underlay: moved }));
    await host.clock.advance(0);
    assert.equal(host.datapath.options()?.address, "192.168.64.3");
    assert.equal(host.datapath.tunnel()?.device, "flannel0");
    assert.equal(host.datapath.routes().length, 1);
    assert.equal(host.datapath.attempts(), 2);
    assert.deepEqual([host.plane.trouble(), host.plane.socketTrouble()], [null, null]);
  });

  it("stays as it is while the new address cannot be had, which is told once, and is tried again", async () => {
    await host.run();
    host.datapath.openError = "EADDRNOTAVAIL";
    host.follow(udpView({ underlay: moved }));
    host.plane.check();
    await host.clock.advance(1000);
    assert.equal(host.datapath.options()?.address, "192.168.64.2");
    assert.equal(host.datapath.attempts(), 1);
    assert.match(host.plane.socketTrouble() ?? "", /192\.168\.64\.3:8285/);
    assert.equal(host.log.messages().filter((message) => message.startsWith("cannot open the socket")).length, 1);
    host.datapath.openError = null;
    host.plane.check();
    await host.clock.advance(0);
    assert.equal(host.datapath.options()?.address, "192.168.64.3");
    assert.equal(host.plane.socketTrouble(), null);
  });

  it("is well again when the address comes back that it has", async () => {
    await host.run();
    host.datapath.openError = "EADDRNOTAVAIL";
    for (let time = 0; time < 2; time++) {
      host.follow(udpView({ underlay: moved }));
      host.plane.check();
      await host.clock.advance(1000);
      host.follow(udpView());
      host.plane.check();
      await host.clock.advance(200_000);
    }
    assert.equal(host.plane.socketTrouble(), null);
    const told = host.log.messages().filter((message) => message.includes("socket"));
    const [raised, settled] = ["cannot open the socket at the underlay's new address", "the socket is open again"];
    assert.deepEqual(told, [raised, settled, raised, settled]);
  });

  it("is closed again without having been used when the address comes back meanwhile", async () => {
    let makeReady = () => {};
    await host.run(() => new Promise((resolve) => (makeReady = resolve)));
    host.follow(udpView({ underlay: moved }));
    host.follow(udpView());
    makeReady();
    await host.clock.advance(0);
    assert.equal(host.datapath.options()?.address, "192.168.64.2");
    assert.ok(host.datapath.tunnel());
  });

  it("adds up what all have carried", async () => {
    host.datapath.counters = { ...NO_COUNTERS, sentPackets: 5 };
    await host.run();
    host.follow(udpView({ underlay: moved }));
    await host.clock.advance(0);
    host.plane.report();
    assert.equal(host.log.lines.find(({ message }) => message === "sent to peers")?.fields.packets, 10);
  });

  it("is attached anew at once when the MTU of the device changes", async () => {
    await host.run();
    host.follow(udpView({ underlay: { ...UDP_UNDERLAY, mtu: 1400 } }));
    await host.clock.advance(0);
    assert.equal(host.datapath.tunnel()?.mtu, 1372);
    assert.equal(host.datapath.attempts(), 2);
  });

  it("is attached anew at once when the config says another MTU", async () => {
    await host.run();
    host.follow(udpView(), { MTU: 1300 });
    await host.clock.advance(0);
    assert.equal(host.datapath.tunnel()?.mtu, 1272);
    host.follow(udpView());
    await host.clock.advance(0);
    assert.equal(host.datapath.tunnel()?.mtu, 1472);
    assert.equal(host.datapath.attempts(), 3);
  });
});

describe("a data path that cannot be opened", () => {
  const refusal = (errno: string): unknown => {
    host.datapath.openError = errno;
    try {
      host.open();
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
