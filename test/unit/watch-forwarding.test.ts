import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FlannelError } from "../../src/base/errors.ts";
import type { Family, Prefix4 } from "../../src/base/ip.ts";
import type { WatchForwarding } from "../../src/net/forwarding-hint.ts";
import { FLANNEL_PROTOCOL, type LinkName } from "../../src/net/objects.ts";
import type { Plan } from "../../src/net/plan.ts";
import { createForwardingWatch } from "../../src/watch-forwarding.ts";
import { createFakeForwardingHints } from "../fakes/fake-forwarding-hints.ts";
import { startWatch } from "../support/running-watch.ts";
import { interfaceOf } from "../support/well-facts.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const GENERAL = "net.ipv4.ip_forward";
const ETH0 = "eth0" as LinkName;

const ROUTE = { kind: "route", dev: ETH0, dst: "10.5.2.0/24" as Prefix4, via: null, onlink: false, metric: 0 } as const;
const PLAN: Plan = {
  scope: { families: ["ipv4"], devices: [], routeDevices: [], kinds: ["route"] },
  want: [{ ...ROUTE, protocol: FLANNEL_PROTOCOL }],
  claims: () => true,
  complete: true,
};

interface Place {
  readonly families?: readonly Family[];
  readonly watchForwarding?: WatchForwarding;
}

function start(first: Readonly<Record<string, string>>, place: Place = {}) {
  const hints = createFakeForwardingHints();
  const host = { sysctls: first, looks: 0, told: 0, isRefused: false };
  const running = startWatch(host, (means) =>
    createForwardingWatch({
      kernel: {
        async underlayFacts() {
          if (host.isRefused) throw new FlannelError("netlink.errno", { op: "a dump", errno: "EINTR", message: null });
          const interfaces = [interfaceOf("eth0", "192.168.77.11/24"), interfaceOf("cni0", "10.5.1.1/24")];
          return { interfaces, defaultRoutes: [], defaultRoutes6: [] };
        },
      },
      async sysctls(names) {
        host.looks += 1;
        return Object.fromEntries(Object.entries(host.sysctls).filter(([name]) => names.includes(name)));
      },
      watchForwarding: place.watchForwarding ?? hints.watchForwarding,
      families: () => place.families ?? ["ipv4"],
      subnet: () => ({ v4: "10.5.1.0/24" as Prefix4, v6: null }),
      onChange() {
        host.told += 1;
      },
      ...means,
    }),
  );
  return { ...running, hints, reason: () => running.watch.trouble()?.sentence ?? "" };
}

const ON = { [GENERAL]: "1" };
const OFF = { [GENERAL]: "0" };

describe("a host that does not forward", () => {
  it("is told at once, and logged after a minute, with the command that mends it, and when it forwards again", async () => {
    await using place = start(OFF);
    await place.clock.advance(0);
    assert.match(place.reason(), /^net\.ipv4\.ip_forward is 0/);
    assert.equal(place.watch.trouble()?.remedy, "sysctl -w net.ipv4.ip_forward=1");
    await place.clock.advance(MINUTE - SECOND);
    assert.equal(place.log.lines.length, 0);
    await place.clock.advance(2 * SECOND);
    assert.deepEqual(place.log.messages(), ["this host does not forward packets"]);
    assert.match(place.log.lines[0]?.fields.hint ?? "", /^sysctl -w net\.ipv4\.ip_forward=1/);
    place.host.sysctls = ON;
    await place.clock.advance(MINUTE);
    assert.equal(place.watch.trouble(), null);
    assert.deepEqual(place.log.messages("info"), ["this host forwards packets again"]);
    assert.equal(place.host.told, 2);
  });

  it("is given the time in which Docker or a CNI plugin switches it on after a boot, before it is logged", async () => {
    await using place = start(OFF);
    await place.clock.advance(MINUTE / 2);
    place.host.sysctls = ON;
    await place.clock.advance(10 * MINUTE);
    assert.deepEqual([place.watch.trouble(), place.log.lines], [null, []]);
  });

  it("is told and logged within a second after the kernel says so, and no longer when it says that it is over", async () => {
    await using place = start(ON);
    await place.clock.advance(SECOND);
    place.host.sysctls = OFF;
    place.hints.tell({ family: "ipv4", mayBeOff: true });
    await place.clock.advance(SECOND / 4);
    assert.match(place.reason(), /^net\.ipv4\.ip_forward is 0/);
    await place.clock.advance(SECOND * 0.75);
    assert.deepEqual(place.log.messages("warn"), ["this host does not forward packets"]);
    place.host.sysctls = ON;
    place.hints.tell({ family: "ipv4", mayBeOff: false });
    await place.clock.advance(SECOND / 4);
    assert.equal(place.watch.trouble(), null);
    assert.deepEqual(place.log.messages("info"), ["this host forwards packets again"]);
  });

  it("is not logged where it is over at once", async () => {
    await using place = start(ON);
    await place.clock.advance(SECOND);
    place.host.sysctls = OFF;
    place.hints.tell({ family: "ipv4", mayBeOff: true });
    await place.clock.advance(SECOND / 4);
    place.host.sysctls = ON;
    place.hints.tell({ family: "ipv4", mayBeOff: false });
    await place.clock.advance(MINUTE);
    assert.deepEqual(place.log.lines, []);
  });

  it("is told to whoever asks, also where the kernel says nothing, and then logged soon", async () => {
    const watchForwarding: WatchForwarding = () => {
      throw new FlannelError("netlink.errno", { op: "a netlink socket", errno: "EINVAL", message: null });
    };
    await using place = start(ON, { watchForwarding });
    await place.clock.advance(2 * SECOND);
    place.host.sysctls = OFF;
    await place.watch.refresh();
    assert.match(place.reason(), /^net\.ipv4\.ip_forward is 0/);
    await place.clock.advance(SECOND);
    assert.deepEqual(place.log.messages("warn"), ["this host does not forward packets"]);
  });

  it("is told of IPv6 where the network has it, and is not asked about IPv4 where it has not", async () => {
    for (const families of [["ipv4", "ipv6"], ["ipv6"]] as const) {
      const sysctls = { ...(families.length === 1 ? OFF : ON), "net.ipv6.conf.all.forwarding": "0" };
      await using place = start(sysctls, { families });
      await place.clock.advance(2 * MINUTE);
      assert.match(place.reason(), /^net\.ipv6\.conf\.all\.forwarding is 0/);
      assert.match(place.log.lines[0]?.fields.hint ?? "", /^sysctl -w net\.ipv6\.conf\.all\.forwarding=1/);
    }
  });

  it("is not guessed where it cannot be told", async () => {
    await using place = start({});
    await place.clock.advance(10 * MINUTE);
    assert.deepEqual([place.watch.trouble(), place.log.lines], [null, []]);
    place.host.sysctls = OFF;
    await place.clock.advance(MINUTE);
    place.host.sysctls = {};
    await place.clock.advance(MINUTE);
    assert.match(place.reason(), /^net\.ipv4\.ip_forward is 0/, "as it was");
  });
});

describe("an interface that does not forward", () => {
  const eth0 = { ...ON, "net.ipv4.conf.eth0.forwarding": "0" };
  const cni0 = { ...ON, "net.ipv4.conf.cni0.forwarding": "0" };

  it("is told where packets of the overlay come in by it: of the plan, and of pods", async () => {
    await using place = start(cni0);
    await place.clock.advance(0);
    assert.match(place.reason(), /^net\.ipv4\.conf\.cni0\.forwarding is 0/);
    place.host.sysctls = eth0;
    await place.clock.advance(MINUTE);
    assert.equal(place.watch.trouble(), null, "nothing is planned by it");
    place.watch.follow(PLAN);
    await place.clock.advance(MINUTE);
    assert.match(place.reason(), /^net\.ipv4\.conf\.eth0\.forwarding is 0/);
  });

  it("is told also while the kernel does not say which interfaces pods have", async () => {
    await using place = start(eth0);
    place.host.isRefused = true;
    place.watch.follow(PLAN);
    await place.clock.advance(MINUTE);
    assert.match(place.reason(), /^net\.ipv4\.conf\.eth0\.forwarding is 0/);
  });

  it("costs few looks, however much the kernel says", async () => {
    await using place = start(ON);
    await place.clock.advance(SECOND);
    const before = place.host.looks;
    for (let n = 0; n < 100; n++) place.hints.tell({ family: "ipv4", mayBeOff: false });
    await place.clock.advance(SECOND);
    assert.equal(place.host.looks, before, "nothing was switched off");
    for (let n = 0; n < 100; n++) place.hints.tell({ family: "ipv6", mayBeOff: true });
    await place.clock.advance(SECOND);
    assert.equal(place.host.looks, before, "of a family that the network has not");
    for (let n = 0; n < 100; n++) {
      place.hints.tell({ family: "ipv4", mayBeOff: true });
      await place.clock.advance(SECOND / 100);
    }
    assert.ok(place.host.looks - before <= 6, `${place.host.looks - before} looks`);
    await place.watch.refresh();
    const asked = place.host.looks;
    await Promise.all([place.watch.refresh(), place.watch.refresh()]);
    assert.equal(place.host.looks, asked);
  });
});
