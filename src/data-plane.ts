// Keeps the packets of a userspace backend moving: opens its socket, attaches to its device whenever there is one, and
// hands on the peers. When the underlay has another address, or the device another MTU, it opens and attaches anew. The
// device itself, its address and its route are the reconciler's; a device that somebody deletes is made anew by it and
// attached to here.

import { isDeepStrictEqual } from "node:util";
import type { NetworkView } from "./backends/backend.ts";
import type { Userspace } from "./backends/userspace.ts";
import { delays } from "./base/backoff.ts";
import { type Millis, millis, seconds } from "./base/brand.ts";
import { createComplaint } from "./base/complaint.ts";
import {
  DATAPATH_FEATURES,
  type Datapath,
  type DatapathCounters,
  type DatapathFeature,
  type DatapathTunnel,
  type ForwardRoute,
} from "./base/datapath.ts";
import { createDoorbell, type Doorbell } from "./base/doorbell.ts";
import { messageOf } from "./base/errors.ts";
import type { LogFields, Logger } from "./base/log.ts";
import { createWaiters } from "./base/waiters.ts";
import { openDatapathSocket, type SocketDeps } from "./datapath-socket.ts";
import type { Underlay } from "./net/underlay.ts";
import type { Ports } from "./ports.ts";

export interface DataPlane extends Disposable {
  /** The peers and ourselves as of now, and what the config in force makes of them. */
  follow(view: NetworkView, userspace: Userspace): void;
  /** Looks whether the device that is attached, and the address of the socket, still are those that are meant. */
  check(): void;
  /** Attaches, and attaches again, until aborted. `deviceReady` resolves while the device is as planned. */
  run(deviceReady: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void>;
  /** Resolves once packets are carried. */
  ready(signal: AbortSignal): Promise<void>;
  /** Why packets are not carried, or null. */
  trouble(): string | null;
  /** Why they are carried from an address that is not the underlay's any more, or null. */
  socketTrouble(): string | null;
  /** Logs what has been carried and dropped. */
  report(): void;
  status(): DataPlaneStatus;
}

export interface DataPlaneStatus {
  /** Null while none is. */
  readonly attached: string | null;
  readonly features: ReadonlySet<DatapathFeature>;
  /** Of the socket, as granted, in bytes. */
  readonly bufferSize: number;
  /** Since the start, over all sockets. */
  readonly counters: DatapathCounters;
}

/** A device that has been attached to for this long has come to stay: what happens to it next is another story. */
const LASTING = seconds(10);
/** How often a device is looked for that the reconciler is making: seldom twice. */
const MISSING_DELAY = millis(100);
const FIRST_DELAY = millis(50);
const LONGEST_DELAY = seconds(5);

/** A reason to attach anew that is no errno: the next socket is open, or the device is to be used otherwise. */
const OUTDATED = "outdated";

type Deps = SocketDeps & Pick<Ports, "random">;

/** Throws `listen.failed` or `backend.unsuitable`; nothing on the host has been changed then. */
export function openDataPlane(userspace: Userspace, underlay: Underlay, deps: Deps): DataPlane {
  const ended = createDoorbell();
  const socket = openDatapathSocket(userspace, underlay, deps, (errno) => ended.ring(errno));
  const attachment = createAttachment(socket.current, userspace.options(underlay).port, ended, deps);
  let view: NetworkView | null = null;
  let tunnel: DatapathTunnel | null = null;
  let routes: readonly ForwardRoute[] = [];
  const isOutdated = (attached: DatapathTunnel) =>
    view !== null && (socket.prepare(view.underlay) || !isDeepStrictEqual(tunnel, attached));
  const advance = () => {
    socket.advance();
    socket.current().setRoutes(routes);
  };
  return {
    follow(next, inForce) {
      // Invariant: I2, what is not known completely takes no peer away. The first has none to take.
      const isFirst = view === null;
      view = next;
      tunnel = inForce.tunnel(next);
      if (next.complete || isFirst) {
        routes = inForce.routes(next);
        socket.current().setRoutes(routes);
      }
      attachment.check(isOutdated);
    },
    check: () => attachment.check(isOutdated),
    async run(deviceReady, signal) {
      let delay = newDelays(deps);
      for (;;) {
        await deviceReady(signal);
        const since = deps.clock.monotonic();
        advance();
        const outcome = tunnel ? await attachment.carry(tunnel, isOutdated, signal) : "over";
        if (outcome === "changed") continue;
        if (deps.clock.monotonic() - since > LASTING) delay = newDelays(deps);
        await deps.clock.sleep(outcome === "missing" ? MISSING_DELAY : delay.next().value, signal);
      }
    },
    ready: attachment.ready,
    trouble: attachment.trouble,
    socketTrouble: socket.trouble,
    report: () => reportCounters(socket.counters(), deps.log),
    status: () => statusOf(socket.current(), socket.counters()),
    [Symbol.dispose]() {
      const carried = attachment.trouble() === null;
      socket[Symbol.dispose]();
      if (carried) deps.log.info("packets are not carried until flanneld runs again; the device stays");
    },
  };
}

function statusOf(datapath: Datapath, counters: DatapathCounters): DataPlaneStatus {
  return { attached: datapath.device(), features: datapath.features(), bufferSize: datapath.bufferSize(), counters };
}

interface Attachment extends Pick<DataPlane, "ready" | "trouble"> {
  check(isOutdated: IsOutdated): void;
  /**
   * Returns when packets are no longer carried, because they are to be carried otherwise, or cannot be, because the
   * device is missing or otherwise.
   */
  carry(tunnel: DatapathTunnel, isOutdated: IsOutdated, signal: AbortSignal): Promise<"changed" | "missing" | "over">;
}

/** Whether packets of a device that is attached like this are to be carried otherwise. */
type IsOutdated = (tunnel: DatapathTunnel) => boolean;

function createAttachment(current: () => Datapath, port: number, ended: Doorbell, deps: Deps): Attachment {
  const waiters = createWaiters();
  const complaint = createComplaint(
    { raised: "cannot attach to the device", settled: "attached to the device again" },
    deps,
  );
  let trouble: string | null = "not attached to the device yet";
  let tunnel: DatapathTunnel | null = null;
  const set = (reason: string | null, attached: DatapathTunnel | null) => {
    trouble = reason;
    tunnel = attached;
    waiters.check();
  };
  return {
    trouble: () => trouble,
    ready: (signal) => waiters.until(() => trouble === null, signal),
    check(isOutdated) {
      if (tunnel === null) return;
      // Kernel: a descriptor stays with its device when that gets another name, or goes to another namespace.
      if (current().device() !== tunnel.device) ended.ring("ENODEV");
      else if (isOutdated(tunnel)) ended.ring(OUTDATED);
    },
    async carry(wanted, isOutdated, signal) {
      const datapath = current();
      const { device } = wanted;
      // The worker may have said late that the attachment before is over; that is not about this one.
      ended.silence();
      try {
        datapath.attach(wanted);
      } catch (error) {
        const reason = describeAttachError(error, device);
        set(reason, null);
        complaint.raise(reason, { dev: device });
        return isMissing(error) ? "missing" : "over";
      }
      complaint.settle();
      deps.log.info("packets are carried", { dev: device, port, ...describeFeatures(datapath) });
      set(null, wanted);
      const errno = await untilEnded(ended, () => isOutdated(wanted), signal);
      datapath.detach();
      if (errno === null) {
        set("the device is attached to anew", null);
        return "changed";
      }
      set(`the device ${device} was taken away (${errno})`, null);
      deps.log.warn("packets are no longer carried", { dev: device, errno });
      return "over";
    },
  };
}

/** Resolves to the errno with which it ended, or to null once it is outdated. */
async function untilEnded(ended: Doorbell, isOutdated: () => boolean, signal: AbortSignal): Promise<string | null> {
  for (;;) {
    const reasons = await ended.wait(signal);
    const errno = [...reasons].find((reason) => reason !== OUTDATED);
    if (errno !== undefined) return errno;
    // It may have been mended meanwhile, or the bell have rung twice.
    if (isOutdated()) return null;
  }
}

function newDelays({ random }: Deps): Generator<Millis, never> {
  return delays({ first: FIRST_DELAY, max: LONGEST_DELAY, random });
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENODEV";
}

function describeAttachError(error: unknown, device: string): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENODEV":
      return `the device ${device} is not there`;
    case "EBUSY":
      return `another process carries the packets of ${device}: is a second flanneld running?`;
    default:
      return messageOf(error);
  }
}

function describeFeatures(datapath: Datapath): Pick<LogFields, "on" | "off" | "buffer"> {
  const on = datapath.features();
  const list = (names: readonly string[]) => names.join(",") || "none";
  return {
    on: list(DATAPATH_FEATURES.filter((feature) => on.has(feature))),
    off: list(DATAPATH_FEATURES.filter((feature) => !on.has(feature))),
    buffer: datapath.bufferSize(),
  };
}

function reportCounters(counters: DatapathCounters, log: Logger): void {
  const perCall = (packets: number, calls: number) => (calls === 0 ? 0 : Math.round((packets / calls) * 10) / 10);
  log.info("sent to peers", {
    packets: counters.sentPackets,
    bytes: counters.sentBytes,
    messages: counters.sentMessages,
    calls: counters.sentCalls,
    packetsPerCall: perCall(counters.sentPackets, counters.sentCalls),
    reads: counters.tunReads,
    segmented: counters.segmentedPackets,
  });
  log.info("received from peers", {
    packets: counters.receivedPackets,
    bytes: counters.receivedBytes,
    messages: counters.receivedMessages,
    calls: counters.receivedCalls,
    packetsPerCall: perCall(counters.receivedPackets, counters.receivedCalls),
    writes: counters.tunWrites,
    coalesced: counters.coalescedPackets,
  });
  log.info("dropped", {
    noRoute: counters.droppedNoRoute,
    ttlExceeded: counters.droppedTtlExceeded,
    sendFailed: counters.droppedSendFailed,
    otherVersion: counters.droppedOtherVersion,
    linkLocal: counters.droppedLinkLocal,
    malformed: counters.droppedMalformed,
    oversized: counters.droppedOversized,
    noPeer: counters.droppedNoPeer,
    wrongSource: counters.droppedWrongSource,
    writeFailed: counters.droppedWriteFailed,
  });
  log.info("answered and given up", {
    icmpSent: counters.icmpSent,
    icmpLimited: counters.icmpLimited,
    fallbacks: counters.fallbacks,
  });
}
