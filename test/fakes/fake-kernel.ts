// KernelNet in memory, for tests of whatever uses one. It passes the same contract suite as the real adapter. Beside the
// port it offers what a test needs: other people's changes, failures to order, and a look at everything.

import { createHash } from "node:crypto";
import { createDoorbell } from "../../src/base/doorbell.ts";
import { FlannelError } from "../../src/base/errors.ts";
import {
  type Family,
  familyOf,
  type IfAddr,
  type Ip,
  type Ipv4,
  type Prefix4,
  prefix4,
  prefix4Address,
  prefix4Contains,
  prefixLength,
} from "../../src/base/ip.ts";
import { type Ipv6, type Prefix6, prefix6, prefix6Address, prefix6Contains } from "../../src/base/ipv6.ts";
import type { NetOp } from "../../src/net/diff.ts";
import type { InterfaceFacts, KernelNet, NetHint, NetSnapshot, OpFailure } from "../../src/net/kernel-net.ts";
import {
  type Address,
  BOOT_PROTOCOL,
  describeObject,
  FLANNEL_PROTOCOL,
  KERNEL_PROTOCOL,
  keyOf,
  type Link,
  type LinkName,
  type NetObject,
  objectFamily,
  RA_PROTOCOL,
  type Route,
} from "../../src/net/objects.ts";
import type { NetScope } from "../../src/net/plan.ts";
import { createKernelState, type KernelState } from "./kernel-state.ts";

/** Refuses operations until it has refused `times` of them. */
export interface InjectedFailure {
  readonly matches: (op: NetOp) => boolean;
  readonly errno: string;
  times: number;
}

export interface FakeKernel extends KernelNet {
  /** What somebody else does: never fails to order, and gives hints. */
  externally(ops: readonly NetOp[]): void;
  setUp(dev: LinkName, up: boolean): void;
  /** A route beside those of the same destination and metric, like `ip route append`. */
  appendRoute(route: Route): void;
  /** The receive buffer of every listener overruns. */
  overrun(): void;
  readonly failures: InjectedFailure[];
  /** All that there is. */
  objects(): readonly NetObject[];
  /** Every operation asked for through the port, and how often the state was read. */
  readonly applied: readonly NetOp[];
  readCount(): number;
}

export function createFakeKernel(initial: readonly NetObject[] = []): FakeKernel {
  const state = createKernelState();
  const failures: InjectedFailure[] = [];
  const applied: NetOp[] = [];
  const listeners = new Set<(hint: NetHint) => void>();
  const tell = (hint: NetHint) => {
    for (const listener of listeners) listener(hint);
  };
  let reads = 0;
  const objects = () => [...state.links().map(({ link }) => link), ...state.entries()];
  for (const object of initial) state.perform({ op: "create", object });
  return {
    failures,
    applied,
    objects,
    readCount: () => reads,
    overrun: () => tell({ reason: "overflow", dev: null }),
    externally(ops) {
      for (const op of ops) {
        state.perform(op);
        const { object } = op;
        tell({ ...hintFor(object), ...(op.op === "replace" && object.kind === "route" ? { over: object.dst } : {}) });
      }
    },
    setUp(dev, up) {
      state.setUp(dev, up);
      tell({ reason: "link", dev });
    },
    appendRoute(route) {
      state.appendRoute(route);
      tell(hintFor(route));
    },
    async read(scope, signal) {
      signal.throwIfAborted();
      reads += 1;
      return snapshotOf(objects().filter((object) => isInScope(object, scope)));
    },
    async apply(ops, signal) {
      signal.throwIfAborted();
      applied.push(...ops);
      const outcomes = ops.map((op) => ({ op, errno: injected(op, failures) ?? state.perform(op) }));
      return outcomes.flatMap(({ op, errno }) => (errno === null ? [] : [failureOf(op, errno, objects())]));
    },
    hints: (signal) => listen(listeners, signal),
    async underlayFacts(families, signal) {
      signal.throwIfAborted();
      const isIpv6Only = !families.includes("ipv4");
      return {
        interfaces: interfacesOf(state, families),
        defaultRoutes: defaultRoutesOf(state, "0.0.0.0/0"),
        defaultRoutes6: isIpv6Only ? defaultRoutesOf(state, "::/0") : [],
      };
    },
    async lookup(destination, signal) {
      signal.throwIfAborted();
      return wayTo(destination, state);
    },
    async neighbourTable(signal) {
      signal.throwIfAborted();
      return { entries: state.entries().filter(({ kind }) => kind === "neighbour").length, limit: 1024 };
    },
    async links(signal) {
      signal.throwIfAborted();
      return state.links().map(({ link }) => link);
    },
  };
}

function hintFor(object: NetObject): NetHint {
  if (object.kind === "link") return { reason: "link", dev: object.name };
  if (object.kind === "blackhole") return { reason: "route", dev: null };
  return { reason: object.kind === "fdb" ? "neighbour" : object.kind, dev: object.dev };
}

function injected(op: NetOp, failures: readonly InjectedFailure[]): string | null {
  const failure = failures.find(({ matches, times }) => times > 0 && matches(op));
  if (!failure) return null;
  failure.times -= 1;
  return failure.errno;
}

function failureOf(op: NetOp, errno: string, present: readonly NetObject[]): OpFailure {
  const holder = errno === "EEXIST" && present.find((object) => keyOf(object) === keyOf(op.object));
  const text = `${op.op} ${describeObject(op.object)}`;
  return {
    op,
    error: new FlannelError("netlink.errno", {
      op: text,
      errno,
      message: holder ? `${describeObject(holder)} stands in its place` : null,
    }),
  };
}

function isInScope(object: NetObject, scope: NetScope): boolean {
  if (!scope.kinds.includes(object.kind)) return false;
  if (object.kind === "link") return scope.devices.includes(object.name);
  const family = objectFamily(object);
  if (family !== null && !scope.families.includes(family)) return false;
  if (object.kind === "blackhole") return true;
  if (scope.devices.includes(object.dev)) return true;
  if (object.kind !== "route" || !scope.routeDevices.includes(object.dev)) return false;
  return object.protocol === FLANNEL_PROTOCOL || object.protocol === BOOT_PROTOCOL;
}

function snapshotOf(objects: readonly NetObject[]): NetSnapshot {
  const digest = createHash("sha256").update(JSON.stringify(objects)).digest("hex");
  return { digest, objects: () => objects.map((object) => ({ ...object })) };
}

async function* drain(bell: ReturnType<typeof createDoorbell>, pending: NetHint[], signal: AbortSignal) {
  while (!signal.aborted) {
    await bell.wait(signal).catch(() => {});
    yield* pending.splice(0);
  }
}

/** Listens from this call on. */
function listen(listeners: Set<(hint: NetHint) => void>, signal: AbortSignal): AsyncIterable<NetHint> {
  const bell = createDoorbell();
  const pending: NetHint[] = [];
  const listener = (hint: NetHint) => {
    pending.push(hint);
    bell.ring("hint");
  };
  listeners.add(listener);
  signal.addEventListener("abort", () => listeners.delete(listener), { once: true });
  return drain(bell, pending, signal);
}

function addressesOf(state: KernelState, dev: LinkName): readonly Address[] {
  return state.entries().filter((entry): entry is Address => entry.kind === "address" && entry.dev === dev);
}

function routesOf(state: KernelState): readonly Route[] {
  return state.entries().filter((entry) => entry.kind === "route");
}

function interfacesOf(state: KernelState, families: readonly Family[]): readonly InterfaceFacts[] {
  return state.links().map(({ index, link }) => ({
    name: link.name,
    index,
    mtu: link.mtu,
    up: link.up,
    loopback: isLoopback(link),
    addresses: ofFamily(state, link.name, "ipv4").map(({ address }) => ({
      ip: ipOf(address),
      prefix: prefix4(ipOf(address), prefixLength(address)),
      permanent: true,
      secondary: false,
      deprecated: false,
    })),
    addresses6: (families.includes("ipv6") ? ofFamily(state, link.name, "ipv6") : []).map(({ address }) => ({
      ip: prefix6Address(address),
      prefix: prefix6(prefix6Address(address), prefixLength(address)),
      permanent: true,
      temporary: false,
      deprecated: false,
      tentative: false,
    })),
    networks6: families.includes("ipv6") ? networks6Of(state, link.name) : [],
  }));
}

function ofFamily(state: KernelState, dev: LinkName, family: Family): readonly Address[] {
  return addressesOf(state, dev).filter(({ address }) => familyOf(address) === family);
}

function networks6Of(state: KernelState, dev: LinkName): readonly Prefix6[] {
  const isOne = ({ dev: through, dst, via, protocol }: Route) =>
    through === dev && via === null && familyOf(dst) === "ipv6" && [KERNEL_PROTOCOL, RA_PROTOCOL].includes(protocol);
  const networks = routesOf(state).filter(isOne);
  return networks.map(({ dst }) => dst as Prefix6).filter((dst) => prefixLength(dst) > 0 && prefixLength(dst) < 128);
}

function isLoopback({ name }: Link): boolean {
  return name === "lo";
}

function ipOf(address: IfAddr): Ipv4 {
  return prefix4Address(address);
}

function defaultRoutesOf(
  state: KernelState,
  any: string,
): readonly { readonly dev: LinkName; readonly metric: number }[] {
  return routesOf(state)
    .filter(({ dst }) => dst === any)
    .map(({ dev, metric }) => ({ dev, metric }))
    .toSorted((a, b) => a.metric - b.metric);
}

/** The longest prefix, then the lowest metric. */
function wayTo(destination: Ip, state: KernelState) {
  const [best] = routesOf(state)
    .filter(({ dst }) => familyOf(dst) === familyOf(destination) && leadsTo(dst, destination))
    .toSorted((a, b) => prefixLength(b.dst) - prefixLength(a.dst) || a.metric - b.metric);
  if (!best) return null;
  const [own] = ofFamily(state, best.dev, familyOf(destination));
  const source = own ? (own.address.slice(0, own.address.indexOf("/")) as Ip) : null;
  return { dev: best.dev, source, via: best.via };
}

function leadsTo(dst: Route["dst"], destination: Ip): boolean {
  return familyOf(dst) === "ipv4"
    ? prefix4Contains(dst as Prefix4, destination as Ipv4)
    : prefix6Contains(dst as Prefix6, destination as Ipv6);
}
