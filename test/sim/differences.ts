// What separates a simulated host's kernel from the plan that follows from the store.

import { isDeepStrictEqual } from "node:util";
import { flannelDevices } from "../../src/backends/earlier-routes.ts";
import { createBackend } from "../../src/backends/registry.ts";
import type { ForwardRoute } from "../../src/base/datapath.ts";
import { type Difference, diff } from "../../src/net/diff.ts";
import { describeObject, FLANNEL_PROTOCOL, type NetObject, type Route, sameObject } from "../../src/net/objects.ts";
import { createPlanner } from "../../src/planner.ts";
import type { Lease } from "../../src/subnet/lease.ts";
import { EMPTY_TABLE, foldTable } from "../../src/subnet/lease-table.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
import type { FakeDatapath } from "../fakes/fake-datapath.ts";
import type { FakeKernel } from "../fakes/fake-kernel.ts";
import type { ScriptedStore } from "../support/scripted-store.ts";
import { MARK, NETWORK, underlayAt } from "../support/vxlan-host.ts";
import type { BackendType, Host } from "./world.ts";

/** What separates the kernel from the plan that follows from the store as it is now. */
export async function differences(
  self: Lease,
  type: BackendType,
  store: ScriptedStore,
  { kernel, foreign }: Pick<Host, "kernel" | "foreign">,
  datapath: FakeDatapath,
): Promise<readonly string[]> {
  const { signal } = new AbortController();
  const list = await store.list(signal);
  const table = foldTable(EMPTY_TABLE, { kind: "reset", list });
  const backend = createBackend({ type, options: {} });
  const underlay = underlayAt(self.attrs.publicIp);
  const links = await kernel.links(signal);
  let forwarding: readonly ForwardRoute[] = [];
  const planner = createPlanner({
    overlay: () => ({ backend, network: NETWORK }),
    underlay: () => underlay,
    formerUnderlays: () => [],
    mark: MARK,
    device: backend.device({ underlay, links, mark: MARK }),
    flannelDevices: flannelDevices(links),
    onView: (view) => {
      forwarding = backend.userspace?.routes(view) ?? [];
    },
    table: () => table,
    self: () => self,
    isHeld: () => true,
    clock: createFakeClock(),
    measuredOffload: () => null,
    log: createCapturedLog(),
  });
  const plan = planner.plan();
  const isForeign = (object: NetObject) => [...foreign].some((route) => sameObject(route, object));
  const { ops, blocked } = diff(plan, kernel.objects());
  // A foreign route in the way is left there, and ours is not made; one of another protocol is not even claimed.
  const left = ops.filter(({ op, object }) => !(op === "create" && isTaken(object, foreign)));
  // Whatever the claims say: a route of our protocol that no backend wants leads nowhere.
  const stale = kernel
    .objects()
    .filter((object) => object.kind === "route" && object.protocol === FLANNEL_PROTOCOL)
    .filter((object) => !plan.want.some((want) => sameObject(want, object)));
  return [
    ...describe({ ops: left, blocked: blocked.filter(({ by }) => !isForeign(by)) }),
    ...stale.map((object) => `stale: ${describeObject(object)}`),
    ...(backend.userspace && !isDeepStrictEqual(forwarding, datapath.routes()) ? ["packets go to other peers"] : []),
  ];
}

function isTaken(object: NetObject, foreign: ReadonlySet<Route>): boolean {
  return (
    object.kind === "route" && [...foreign].some(({ dst, metric }) => dst === object.dst && metric === object.metric)
  );
}

function describe({ ops, blocked }: Difference): readonly string[] {
  return [
    ...ops.map(({ op, object }) => `left to do: ${op} ${describeObject(object)}`),
    ...blocked.map(({ by }) => `in the way: ${describeObject(by)}`),
  ];
}

export function holds(kernel: FakeKernel, wanted: NetObject): boolean {
  return kernel.objects().some((object) => sameObject(object, wanted));
}
