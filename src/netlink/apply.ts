// Carrying out operations: addresses, routes, neighbours and forwarding entries in batches of one system call each,
// links one by one (apply-link.ts). A refused operation never stops the others, and nothing is tried twice: whoever asked
// for it looks at the kernel again.

import { setImmediate } from "node:timers/promises";
import { familyOf } from "../base/ip.ts";
import type { NetOp } from "../net/diff.ts";
import type { OpFailure } from "../net/kernel-net.ts";
import {
  type Blackhole,
  describeObject,
  type Link,
  type LinkName,
  type NetObject,
  type Route,
} from "../net/objects.ts";
import { createAddress, deleteAddress } from "./address.ts";
import { applyLinkOp, enableIpv6, type LinkDeps, type LinkOp } from "./apply-link.ts";
import { createBlackhole, deleteBlackhole, replaceBlackhole, settleBlackhole } from "./blackhole.ts";
import type { Request } from "./codec.ts";
import { type Connection, type Refusal, refusedTo } from "./connection.ts";
import { createFdbEntry, deleteFdbEntry } from "./fdb.ts";
import { createNeighbour, deleteNeighbour } from "./neighbour.ts";
import { type Claim, settleOccupied } from "./occupied-route.ts";
import { readLink } from "./read-links.ts";
import { createRoute, deleteRoute, prependRoute, replaceRoute } from "./route.ts";

/** Large enough that system calls cost nothing, small enough that the event loop is held up for some milliseconds only. */
const BATCH_SIZE = 128;

/** What a deletion may be answered with when there is nothing to delete. */
const GONE: readonly string[] = ["ENOENT", "ESRCH", "ENODEV", "EADDRNOTAVAIL"];

/** Kernel: a route that is there already, appended once more. */
const PRESENT: readonly string[] = ["EEXIST"];
/** Kernel: an on-link gateway of IPv6 to which the table leads through another device, as the route that is there does. */
const PRESENT_ELSEWHERE: readonly string[] = [...PRESENT, "EINVAL"];

/** There is nothing to do about what it is refused for. */
const PLAIN = { after: null, forgiven: [], occupied: [], whenOccupied: null } as const;

const NO_SUCH_DEVICE: Refusal = { errno: "ENODEV", message: "the device does not exist" };

type EntryOp = NetOp & { readonly object: Exclude<NetObject, Link> };

/** What is on a device. */
type DeviceEntry = Exclude<NetObject, Link | Blackhole>;

/** What one operation comes down to. */
interface Step {
  readonly request: Request;
  /** Taken when the first request was carried out. */
  readonly after: Step | null;
  /** Refusals that mean that nothing had to be done. */
  readonly forgiven: readonly string[];
  /** What to do when its place is taken; null to report it. */
  readonly whenOccupied: (() => Refusal | null) | null;
  /** Refusals that mean that it is. */
  readonly occupied: readonly string[];
}

export async function applyOps(
  ops: readonly NetOp[],
  deps: LinkDeps,
  signal: AbortSignal,
): Promise<readonly OpFailure[]> {
  const { connection } = deps;
  const failures: OpFailure[] = [];
  const fail = (op: NetOp, refusal: Refusal) => {
    failures.push({ op, error: refusedTo(`${op.op} ${describeObject(op.object)}`, refusal) });
  };
  for (const batch of batchesOf(ops)) {
    signal.throwIfAborted();
    const [first] = batch;
    if (first && isLinkOp(first)) {
      const refusal = await applyLinkOp(first, deps);
      if (refusal) fail(first, refusal);
    } else {
      for (const dev of wantingIpv6(batch)) await enableIpv6(dev);
      applyBatch(batch.filter(isEntryOp), connection, fail);
    }
    await setImmediate();
  }
  return failures;
}

/** Devices that are to have an IPv6 address. */
function wantingIpv6(batch: readonly NetOp[]): ReadonlySet<LinkName> {
  const wanting = batch.map(({ op, object }) =>
    op !== "delete" && object.kind === "address" && familyOf(object.address) === "ipv6" ? object.dev : null,
  );
  return new Set(wanting.filter((dev) => dev !== null));
}

function isLinkOp(op: NetOp): op is LinkOp {
  return op.object.kind === "link";
}

function isEntryOp(op: NetOp): op is EntryOp {
  return op.object.kind !== "link";
}

/** In order; a link is a batch of its own, because making one changes the indices that the others are written with. */
export function* batchesOf(ops: readonly NetOp[]): Generator<readonly NetOp[], void> {
  let batch: NetOp[] = [];
  for (const op of ops) {
    const alone = isLinkOp(op);
    if (batch.length > 0 && (alone || batch.length === BATCH_SIZE)) {
      yield batch;
      batch = [];
    }
    if (alone) yield [op];
    else batch.push(op);
  }
  if (batch.length > 0) yield batch;
}

function applyBatch(
  ops: readonly EntryOp[],
  connection: Connection,
  fail: (op: NetOp, refusal: Refusal) => void,
): void {
  const indexOf = createIndexLookup(connection);
  const steps = new Map<EntryOp, Step>();
  for (const op of ops) {
    if (op.object.kind === "blackhole") {
      steps.set(op, stepForBlackhole(op, op.object, connection));
      continue;
    }
    const index = indexOf(op.object.dev);
    if (index !== null) steps.set(op, stepFor(op, op.object, index, indexOf, connection));
    else if (op.op !== "delete") fail(op, NO_SUCH_DEVICE);
  }
  const done = execute(steps, connection, fail);
  execute(new Map(done.flatMap(([op, { after }]) => (after ? [[op, after]] : []))), connection, fail);
}

/** Remembers for one batch only. */
function createIndexLookup(connection: Connection): (dev: LinkName) => number | null {
  const indices = new Map<LinkName, number | null>();
  return (dev) => {
    const known = indices.get(dev);
    if (known !== undefined) return known;
    const index = readLink({ name: dev }, connection)?.index ?? null;
    indices.set(dev, index);
    return index;
  };
}

/** Returns the operations that succeeded. */
function execute(
  steps: ReadonlyMap<EntryOp, Step>,
  connection: Connection,
  fail: (op: NetOp, refusal: Refusal) => void,
): (readonly [EntryOp, Step])[] {
  if (steps.size === 0) return [];
  const outcomes = connection.execute([...steps.values()].map(({ request }) => request));
  return [...steps].filter(([op, { forgiven, occupied, whenOccupied }], position) => {
    const answer = outcomes[position] ?? null;
    const refusal = answer && occupied.includes(answer.errno) && whenOccupied ? whenOccupied() : answer;
    if (refusal === null || forgiven.includes(refusal.errno)) return true;
    fail(op, refusal);
    return false;
  });
}

function stepForBlackhole(op: EntryOp, object: Blackhole, connection: Connection): Step {
  switch (op.op) {
    case "delete":
      return removal(deleteBlackhole(object));
    case "create": {
      const whenOccupied = () => settleBlackhole(object, connection);
      return { ...PLAIN, request: createBlackhole(object), occupied: PRESENT, whenOccupied };
    }
    case "replace":
      return { ...PLAIN, request: replaceBlackhole(object) };
  }
}

function stepFor(
  op: EntryOp,
  object: DeviceEntry,
  index: number,
  indexOf: (dev: LinkName) => number | null,
  connection: Connection,
): Step {
  if (op.op === "delete") return removal(deletionOf(object, index));
  if (object.kind !== "route") {
    const creation: Step = { ...PLAIN, request: creationOf(object, index), forgiven: PRESENT };
    return isAstray(op) ? { ...removal(deletionOf(object, index)), after: creation } : creation;
  }
  if (op.op === "create") return stepForRoute(object, { index, retake: op.retake === true }, connection);
  if (op.previous.kind !== "route") return stepForRoute(object, { index, retake: false }, connection);
  // Kernel: of IPv6 one of the same gateway and device is the same route, whatever its protocol; it cannot stand beside
  // the other. The kernel's own replacement takes the place of all of this destination and metric.
  if (familyOf(object.dst) === "ipv6") {
    const replacement: Step = { ...PLAIN, request: replaceRoute(object, index) };
    // Kernel: an on-link gateway is refused while the table leads to it through another device, as the old route does,
    // in which our gateways are (ip6_route_check_nh_onlink()).
    const oldIndex = object.onlink && op.previous.dev !== object.dev ? indexOf(op.previous.dev) : null;
    return oldIndex === null ? replacement : { ...removal(deleteRoute(op.previous, oldIndex)), after: replacement };
  }
  // That of IPv4 takes the first route of this destination and metric, which need not be `previous`. The new one comes
  // before all of them, since the first is followed, and the old one goes after that, so that no packet is without a route.
  const addition: Step = { ...PLAIN, request: prependRoute(object, index), forgiven: PRESENT };
  const oldIndex = op.previous.dev === object.dev ? index : indexOf(op.previous.dev);
  if (oldIndex === null) return addition;
  const goes = removal(deleteRoute(op.previous, oldIndex));
  return isNamedAlike(op.previous, object) ? { ...goes, after: addition } : { ...addition, after: goes };
}

/**
 * Kernel: a forwarding entry with a next hop that is an object is not replaced, although that is acknowledged
 * (undone.test.ts). No packet is lost with one that leads astray.
 */
function isAstray(op: EntryOp): boolean {
  return op.op === "replace" && op.previous.kind === "fdb" && op.previous.astray === true;
}

/** What deletes one of them would delete the other, whichever comes first. */
function isNamedAlike(a: Route, b: Route): boolean {
  return a.dev === b.dev && a.via === b.via && a.protocol === b.protocol;
}

function stepForRoute(route: Route, claim: Claim, connection: Connection): Step {
  const occupied = claim.retake && familyOf(route.dst) === "ipv6" ? PRESENT_ELSEWHERE : PRESENT;
  const whenOccupied = () => settleOccupied(route, claim, connection);
  return { ...PLAIN, request: createRoute(route, claim.index), occupied, whenOccupied };
}

function removal(request: Request): Step {
  return { ...PLAIN, request, forgiven: GONE };
}

function creationOf(object: DeviceEntry, index: number): Request {
  switch (object.kind) {
    case "address":
      return createAddress(object, index);
    case "route":
      return createRoute(object, index);
    case "neighbour":
      return createNeighbour(object, index);
    case "fdb":
      return createFdbEntry(object, index);
  }
}

function deletionOf(object: DeviceEntry, index: number): Request {
  switch (object.kind) {
    case "address":
      return deleteAddress(object, index);
    case "route":
      return deleteRoute(object, index);
    case "neighbour":
      return deleteNeighbour(object, index);
    case "fdb":
      return deleteFdbEntry(object, index);
  }
}
