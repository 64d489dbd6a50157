import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FlannelError } from "../../../src/base/errors.ts";
import type { Ip } from "../../../src/base/ip.ts";
import type { KernelNet } from "../../../src/net/kernel-net.ts";
import type { LinkName, NetObject, Route, RouteProtocol } from "../../../src/net/objects.ts";
import { RECONCILE_DEFAULTS } from "../../../src/net/reconciler.ts";
import type { FakeKernel } from "../../fakes/fake-kernel.ts";
import { SOON, slowReadings, startReconciler, wanted, withoutHints } from "../../support/reconciling-host.ts";
import { bareHost, ETH0, FLANNEL1, PEER_A, PEER_B, planFor, routeVia } from "../../support/vxlan-host.ts";

const DIFFERS = "kernel state differs from the leases";
const REPAIRED = "kernel state was changed by somebody else and is repaired";

describe("the reconciler, when something goes wrong,", () => {
  it("reads the kernel again a moment later when it could not be read, and goes on", async () => {
    let failures = 3;
    const wrap = (kernel: FakeKernel): KernelNet => ({
      ...kernel,
      async read(scope, signal) {
        if (failures-- > 0)
          throw new FlannelError("netlink.errno", { op: "reading routes", errno: "EINTR", message: null });
        return kernel.read(scope, signal);
      },
    });
    await using host = startReconciler({ wrap });
    await host.clock.advance(SOON);
    assert.deepEqual(host.remaining(), []);
    assert.deepEqual(host.log.messages("warn"), ["cannot read the kernel's state"]);
  });

  it("tries again at once when another device goes that may have been in the way of its own", async () => {
    const other: NetObject = {
      kind: "link",
      type: "other",
      name: "gone0" as LinkName,
      mtu: 1500,
      up: true,
      mac: null,
      driver: "vxlan",
    };
    await using host = startReconciler();
    host.kernel.externally([{ op: "create", object: other }]);
    const inTheWay = {
      matches: ({ object }: { object: NetObject }) => object.kind === "link",
      errno: "EEXIST",
      times: 1e9,
    };
    host.kernel.failures.push(inTheWay);
    await host.clock.advance(10 * 60_000);
    assert.match(host.reconciler.status().own ?? "", /EEXIST/);
    // Just after an attempt: the next is many seconds away.
    const attempts = host.kernel.applied.length;
    while (host.kernel.applied.length === attempts) await host.clock.advance(100);
    inTheWay.times = 0;
    host.kernel.externally([{ op: "delete", object: other }]);
    await host.clock.advance(150);
    assert.equal(host.reconciler.status().own, null);
  });

  it("tries again what failed, less and less often, while the others stay as they are", async () => {
    const plan = planFor([PEER_A, PEER_B]);
    const bad = wanted(plan, "route");
    await using host = startReconciler({ plan });
    const failure = { matches: ({ object }: { object: NetObject }) => object === bad, errno: "ENOBUFS", times: 1e9 };
    host.kernel.failures.push(failure);
    const attempts = () => host.kernel.applied.filter(({ object }) => object === bad).length;
    await host.clock.advance(1000);
    const early = attempts();
    assert.ok(early >= 3, `${early} attempts in the first second`);
    await host.clock.advance(60_000);
    const late = attempts() - early;
    assert.ok(late >= 5 && late <= 14, `${late} attempts in the minute after`);
    for (const other of plan.want.filter((object) => object !== bad)) {
      assert.equal(host.kernel.applied.filter(({ object }) => object === other).length, 1);
    }
    assert.equal(host.log.messages("warn").filter((message) => message === DIFFERS).length, 1);
    failure.times = 0;
    await host.clock.advance(RECONCILE_DEFAULTS.retryMax);
    assert.deepEqual(host.remaining(), []);
    assert.ok(host.log.messages("info").includes("kernel state is as the leases say again"));
    assert.equal(host.reconciler.status().repaired, 0, "nobody else has changed anything");
  });

  it("repairs what somebody else deleted as soon as it hears of it", async () => {
    const plan = planFor([PEER_A, PEER_B]);
    await using host = startReconciler({ plan });
    await host.clock.advance(SOON);
    for (const kind of ["route", "neighbour", "fdb"] as const) {
      host.kernel.externally([{ op: "delete", object: wanted(plan, kind) }]);
      assert.equal(host.has(wanted(plan, kind)), false);
      await host.clock.advance(150);
      assert.ok(host.has(wanted(plan, kind)), kind);
      await host.clock.advance(SOON);
    }
    assert.equal(host.log.messages("warn").filter((message) => message === REPAIRED).length, 3);
    assert.equal(host.reconciler.status().repaired, 3);
    assert.deepEqual(
      [...host.reconciler.status().repairedKinds],
      [
        ["route", 1],
        ["neighbour", 1],
        ["fdb", 1],
      ],
    );
  });

  it("repairs at once what somebody put in a route's place through a device that is none of ours", async () => {
    const plan = planFor([PEER_A]);
    await using host = startReconciler({ plan });
    const [eth0] = bareHost("192.168.64.3");
    host.kernel.externally([{ op: "create", object: { ...eth0, name: "eth1" } as NetObject }]);
    await host.clock.advance(SOON);
    const ours = wanted(plan, "route") as Route;
    const foreign: Route = { ...ours, dev: "eth1" as LinkName, via: null, onlink: false };
    host.kernel.externally([{ op: "replace", object: foreign, previous: ours }]);
    assert.equal(host.has(ours), false);
    await host.clock.advance(150);
    assert.ok(host.has(ours));
  });

  it("does not lose a hint that comes while a pass is under way", async () => {
    const plan = planFor([PEER_A]);
    const readings = slowReadings();
    await using host = startReconciler({ plan, wrap: readings.wrap });
    await host.clock.advance(SOON);
    readings.hold();
    host.kernel.overrun();
    await host.clock.advance(150);
    // The reading was taken and is on its way: it does not show this.
    host.kernel.externally([{ op: "delete", object: wanted(plan, "route") }]);
    await host.clock.advance(0);
    readings.release();
    await host.clock.advance(150);
    assert.deepEqual(host.remaining(), []);
  });

  it("reads nothing because of devices that are not its business", async () => {
    const docker: NetObject = { ...bareHost("192.168.64.2")[0], name: "docker0" } as NetObject;
    await using host = startReconciler();
    await host.clock.advance(SOON);
    const reads = host.kernel.readCount();
    host.kernel.externally([
      { op: "create", object: docker },
      { op: "create", object: { ...routeVia("192.168.64.1", "172.17.0.0/16"), dev: "docker0" as never, via: null } },
      {
        op: "create",
        object: { kind: "neighbour", dev: ETH0, ip: "192.168.64.9" as never, mac: "02:00:00:00:00:99" as never },
      },
    ]);
    await host.clock.advance(SOON);
    assert.equal(host.kernel.readCount(), reads);
  });

  it("repairs at the resync what no hint told", async () => {
    const plan = planFor([PEER_A]);
    await using host = startReconciler({ plan, wrap: withoutHints });
    await host.clock.advance(SOON);
    host.kernel.externally([{ op: "delete", object: wanted(plan, "fdb") }]);
    await host.clock.advance(SOON);
    assert.equal(host.has(wanted(plan, "fdb")), false);
    await host.clock.advance(RECONCILE_DEFAULTS.resync);
    assert.ok(host.has(wanted(plan, "fdb")));
  });

  it("brings a deleted device back with all that was on it in one pass, and says meanwhile that it is gone", async () => {
    const plan = planFor([PEER_A, PEER_B]);
    const seen: (string | null)[] = [];
    await using host = startReconciler({
      plan,
      wrap: (kernel) => ({
        ...kernel,
        apply(ops, signal) {
          seen.push(host.reconciler.status().own);
          return kernel.apply(ops, signal);
        },
      }),
    });
    await host.clock.advance(SOON);
    seen.length = 0;
    const { passes } = host.reconciler.status();
    host.kernel.externally([{ op: "delete", object: wanted(plan, "link") }]);
    await host.clock.advance(150);
    assert.deepEqual(host.remaining(), []);
    assert.equal(host.reconciler.status().passes, passes + 1);
    assert.match(seen[0] ?? "", /device of this host/);
    assert.equal(host.reconciler.status().own, null);
  });

  it("brings back what a device loses when it is set down", async () => {
    await using host = startReconciler();
    await host.clock.advance(SOON);
    host.kernel.setUp(FLANNEL1, false);
    assert.notDeepEqual(host.remaining(), []);
    await host.clock.advance(150);
    assert.deepEqual(host.remaining(), []);
  });

  for (const [protocol, via, how] of [
    [3, null, "that it can see"],
    [4, "192.168.64.9", "that only the kernel can see"],
  ] as const) {
    it(`reports a foreign route in the way ${how} once, leaves it alone, and takes the place when it is free`, async () => {
      const base = routeVia("192.168.64.9", PEER_A.subnet.v4);
      const foreign: Route = { ...base, protocol: protocol as RouteProtocol, via: via as Ip | null };
      await using host = startReconciler({ plan: planFor([]) });
      await host.clock.advance(SOON);
      host.kernel.externally([{ op: "create", object: foreign }]);
      host.change(planFor([PEER_A, PEER_B]));
      await host.clock.advance(3 * RECONCILE_DEFAULTS.resync);
      assert.ok(host.has(foreign));
      assert.ok(host.has(wanted(planFor([PEER_B]), "route")));
      const told = host.log.lines.filter(({ message }) => message === DIFFERS);
      assert.equal(told.length, 1);
      assert.match(told[0]?.fields.reason ?? "", /route 10\.5\.20\.0\/24 (via 192\.168\.64\.9 )?dev eth0 stands in/);
      assert.deepEqual(host.log.messages("warn"), [DIFFERS]);
      host.kernel.externally([{ op: "delete", object: foreign }]);
      await host.clock.advance(150);
      assert.ok(host.has(wanted(planFor([PEER_A]), "route")));
      assert.equal(host.reconciler.status().trouble, null);
    });
  }

  it("reports a fight with another agent once, and takes part in it less and less often", async () => {
    const plan = planFor([PEER_A]);
    const route = wanted(plan, "route");
    let undoing = true;
    const wrap = (kernel: FakeKernel): KernelNet => ({
      ...kernel,
      async apply(ops, signal) {
        const failures = await kernel.apply(ops, signal);
        if (undoing) kernel.externally([{ op: "delete", object: route }]);
        return failures;
      },
    });
    await using host = startReconciler({ plan, wrap });
    const fights = () => host.log.messages("warn").filter((message) => message.startsWith("another agent")).length;
    await host.clock.advance(10 * 60_000);
    const repairs = host.kernel.applied.filter(({ object }) => object === route).length;
    assert.ok(repairs >= 10 && repairs <= 40, `${repairs} repairs in ten minutes`);
    assert.equal(fights(), 1);
    assert.match(host.reconciler.status().contested ?? "", /^route /);
    undoing = false;
    await host.clock.advance(2 * RECONCILE_DEFAULTS.resync);
    assert.equal(host.reconciler.status().contested, null);
    const peace = host.log.messages("info").filter((message) => message === "nobody undoes our kernel state any more");
    assert.equal(peace.length, 1);
    assert.deepEqual(host.remaining(), []);
    host.kernel.externally([{ op: "delete", object: route }]);
    await host.clock.advance(150);
    assert.deepEqual(host.remaining(), [], "peace: a repair is made at once again");
  });
});
