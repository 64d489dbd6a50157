import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FlannelError } from "../../../src/base/errors.ts";
import type { WatchRules } from "../../../src/firewall/hints.ts";
import { NO_RULES } from "../../../src/firewall/rule.ts";
import { FakePlace } from "../../fakes/fake-place.ts";
import { rulesOf } from "../../support/firewall.ts";
import { startFirewall } from "../../support/started-firewall.ts";

describe("the firewall", () => {
  it("installs its rules, says so once, and looks again at every resync without writing", async () => {
    await using host = startFirewall();
    await host.firewall.tried(new AbortController().signal);
    await host.clock.advance(20_000);
    assert.deepEqual(host.log.messages(), ["firewall rules are in place"]);
    assert.deepEqual(host.firewall.status(), { checks: 5, written: 1, repaired: 0 });
    assert.equal(host.firewall.trouble(), null);
  });

  it("repairs what somebody else has changed within a resync, and counts it once", async () => {
    await using host = startFirewall();
    await host.clock.advance(6000);
    host.place.holds = null;
    await host.clock.advance(20_000);
    assert.deepEqual(host.log.messages().slice(1), ["firewall rules were changed by somebody else and are repaired"]);
    assert.equal(host.firewall.status().repaired, 1);
  });

  it("looks once a minute where changes are announced, and at every resync that is longer", async () => {
    const prepare = (place: FakePlace) => {
      place.announced = true;
    };
    await using host = startFirewall({ prepare });
    await host.clock.advance(600_000);
    assert.equal(host.place.checks, 11);
    const silent: WatchRules = () => {
      throw new FlannelError("netlink.errno", { op: "a netlink socket", errno: "EPROTONOSUPPORT", message: null });
    };
    await using deaf = startFirewall({ prepare, watchRules: silent });
    await deaf.clock.advance(60_000);
    assert.equal(deaf.place.checks, 13, "nobody announces anything");
  });

  it("looks soon when the kernel says that something of ours has changed, once for many hints", async () => {
    await using host = startFirewall();
    await host.clock.advance(1000);
    host.place.holds = null;
    for (const chain of ["FLANNEL-POSTRTG", "POSTROUTING", "FLANNEL-POSTRTG"]) {
      host.hints.tell({ table: "nat", chain });
      await host.clock.advance(50);
    }
    assert.equal(host.place.checks, 1, "a burst is let end");
    await host.clock.advance(300);
    assert.deepEqual([host.place.checks, host.firewall.status().repaired], [2, 1]);
  });

  it("looks once a second at most however long a burst lasts, and is not kept from looking by it", async () => {
    await using host = startFirewall();
    for (let time = 0; time < 4000; time += 50) {
      host.hints.tell({ table: null, chain: null });
      await host.clock.advance(50);
    }
    assert.ok(host.place.checks >= 4 && host.place.checks <= 6, `${host.place.checks} checks in four seconds`);
  });

  it("does not look for the rules of others", async () => {
    await using host = startFirewall();
    await host.clock.advance(1000);
    for (const chain of ["KUBE-SERVICES", "DOCKER", "INPUT"]) host.hints.tell({ table: "nat", chain });
    host.hints.tell({ table: "mangle", chain: "FORWARD" });
    host.hints.tell({ table: "firewalld", chain: null });
    // Of a set.
    host.hints.tell({ table: "filter", chain: "" });
    await host.clock.advance(2000);
    assert.equal(host.place.checks, 1);
    const ours = [
      { table: "flannel-ipv4", chain: "forward" },
      { table: "flannel-ipv6", chain: null },
      { table: "filter", chain: "FORWARD" },
      { table: "nat", chain: null },
    ];
    for (const [at, hint] of ours.entries()) {
      host.hints.tell(hint);
      await host.clock.advance(250);
      assert.equal(host.place.checks, at + 2, JSON.stringify(hint));
    }
  });

  it("goes on without hints where there are none", async () => {
    const watchRules: WatchRules = () => {
      throw new FlannelError("netlink.errno", { op: "a netlink socket", errno: "EPROTONOSUPPORT", message: null });
    };
    await using host = startFirewall({ watchRules });
    await host.clock.advance(20_000);
    assert.equal(host.place.checks, 5);
    const told = host.log.messages().filter((message) => message.includes("at the next check only"));
    assert.equal(told.length, 1);
  });

  it("tells a quarrel with another agent once, however long it lasts", async () => {
    await using host = startFirewall();
    for (let round = 0; round < 10; round++) {
      await host.clock.advance(5000);
      host.place.holds = null;
    }
    assert.deepEqual(host.log.messages().slice(1), [
      "firewall rules were changed by somebody else and are repaired",
      "firewall rules were changed by somebody else and are repaired",
      "another agent keeps changing our firewall rules; they are repaired at every check",
    ]);
  });

  it("looks at nothing when it is poked and the rules are the same", async () => {
    await using host = startFirewall();
    await host.clock.advance(0);
    const { checks } = host.place;
    for (let change = 0; change < 100; change += 1) {
      host.firewall.poke();
      await host.clock.advance(1);
    }
    assert.equal(host.place.checks, checks);
  });

  it("follows other rules at once when it is poked, and does not take that for a repair", async () => {
    await using host = startFirewall();
    await host.clock.advance(1000);
    host.host.want = rulesOf({ masquerade: true, forward: false });
    host.firewall.poke();
    await host.clock.advance(0);
    assert.equal(host.place.holds, host.host.want);
    assert.deepEqual(host.firewall.status(), { checks: 2, written: 2, repaired: 0 });
  });

  it("is in trouble while rules cannot be written, tries again ever more slowly, and goes on", async () => {
    await using host = startFirewall({
      prepare: (place) => {
        place.broken = "the lock is held";
      },
    });
    await host.clock.advance(0);
    assert.equal(host.firewall.trouble(), "iptables failed: the lock is held");
    await host.clock.advance(120_000);
    const { checks } = host.place;
    assert.ok(checks >= 7 && checks <= 25, `${checks} tries in two minutes`);
    assert.equal(host.log.messages().filter((message) => message === "cannot keep the firewall rules").length, 2);
    host.place.broken = null;
    await host.clock.advance(30_000);
    assert.equal(host.firewall.trouble(), null);
    assert.deepEqual(host.log.messages().slice(-2), [
      "firewall rules are in place",
      "the firewall rules are kept again",
    ]);
  });

  it("is tried, and not in trouble, where the tool is missing, and begins when it comes", async () => {
    await using host = startFirewall({
      prepare: (place) => {
        place.missing = true;
      },
    });
    await host.firewall.tried(new AbortController().signal);
    await host.clock.advance(30_000);
    assert.deepEqual([host.firewall.trouble(), host.log.messages()], [null, []]);
    host.place.missing = false;
    await host.clock.advance(5000);
    assert.deepEqual(host.log.messages(), ["firewall rules are in place"]);
  });

  it("removes what was there when no rules are wanted, and then hardly ever looks", async () => {
    await using host = startFirewall({ want: NO_RULES });
    await host.clock.advance(600_000);
    assert.deepEqual(host.log.messages(), ["firewall rules that are not wanted any more are removed"]);
    assert.equal(host.place.checks, 1);
  });

  it("says once that a rule before ours leaves it no packet", async () => {
    await using host = startFirewall({
      prepare: (place) => {
        place.shadow = "-A FORWARD -j DROP";
      },
    });
    await host.clock.advance(30_000);
    const told = host.log.lines.filter(({ message }) => message === "a rule before ours leaves no packet for it");
    assert.deepEqual(
      told.map(({ fields }) => fields?.rule),
      ["-A FORWARD -j DROP"],
    );
  });

  it("cleans no former place before its own rules were tried", async () => {
    const former = new FakePlace("nft ip");
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    await using host = startFirewall({
      former: [former],
      prepare: (place) => {
        place.gate = gate;
      },
    });
    await host.clock.advance(1000);
    assert.equal(former.checks, 0);
    open();
    await host.clock.advance(0);
    assert.equal(former.checks, 1);
  });

  it("cleans every former place once, after its own rules were tried, however long that takes", async () => {
    const order: string[] = [];
    const [nft, legacy] = [new FakePlace("nft ip", order), new FakePlace("iptables-legacy", order)];
    legacy.broken = "the lock is held";
    await using host = startFirewall({
      former: [nft, legacy],
      prepare: (place) => void Object.assign(place, { order }),
    });
    await host.clock.advance(60_000);
    assert.deepEqual(order.slice(0, 3), ["iptables", "nft ip", "iptables-legacy"]);
    assert.deepEqual([nft.holds, nft.checks], [NO_RULES, 1]);
    assert.equal(host.firewall.trouble(), null, "it is in nobody's way");
    legacy.broken = null;
    await host.clock.advance(600_000);
    const { checks } = legacy;
    await host.clock.advance(6_000_000);
    assert.deepEqual([legacy.holds, legacy.checks], [NO_RULES, checks]);
    assert.deepEqual(
      host.log.messages().filter((message) => message.includes("earlier config")),
      [
        "firewall rules of an earlier config are removed",
        "cannot remove firewall rules of an earlier config",
        "firewall rules of an earlier config are removed",
        "firewall rules of an earlier config are gone",
      ],
    );
  });
});
