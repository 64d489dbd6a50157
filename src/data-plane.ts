// Keeps the packets of a userspace backend moving: opens its socket, attaches to its device whenever there is one, and
// hands on the peers. The device itself, its address and its route are the reconciler's; a device that somebody deletes
// is made anew by it and attached to here.

import type { NetworkView } from "./backends/backend.ts";
import type { Userspace } from "./backends/userspace.ts";
import { delays } from "./base/backoff.ts";
import { type Millis, millis, seconds } from "./base/brand.ts";
import { createComplaint } from "./base/complaint.ts";
import {
  DATAPATH_FEATURES,
  type Datapath,
  type DatapathCounters,
  type DatapathTunnel,
  type OpenDatapath,
} from "./base/datapath.ts";
import { createDoorbell, type Doorbell } from "./base/doorbell.ts";
import { FlannelError, messageOf } from "./base/errors.ts";
import type { LogFields, Logger } from "./base/log.ts";
import { createWaiters } from "./base/waiters.ts";
import type { Underlay } from "./net/underlay.ts";
import type { Ports } from "./ports.ts";

export interface DataPlane extends Disposable {
  /** The peers and ourselves as of now. */
  follow(view: NetworkView): void;
  /** Looks whether the device that is attached still is the one that is meant. */
  check(): void;
  /** Attaches, and attaches again, until aborted. `deviceReady` resolves while the device is as planned. */
  run(deviceReady: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void>;
  /** Resolves once packets are carried. */
  ready(signal: AbortSignal): Promise<void>;
  /** Why packets are not carried, or null. */
  trouble(): string | null;
  /** Logs what has been carried and dropped. */
  report(): void;
}

/** A device that has been attached to for this long has come to stay: what happens to it next is another story. */
const LASTING = seconds(10);
/** How often a device is looked for that the reconciler is making: seldom twice. */
const MISSING_DELAY = millis(100);
const FIRST_DELAY = millis(50);
const LONGEST_DELAY = seconds(5);

type Deps = Pick<Ports, "clock" | "random" | "log"> & { readonly openDatapath: OpenDatapath };

/** Throws `listen.failed` or `backend.unsuitable`; nothing on the host has been changed then. */
export function openDataPlane(userspace: Userspace, underlay: Underlay, deps: Deps): DataPlane {
  const ended = createDoorbell();
  const datapath = open(userspace, underlay, deps, (errno) => ended.ring(errno));
  const attachment = createAttachment(datapath, userspace.options(underlay).port, ended, deps);
  let view: NetworkView | null = null;
  return {
    follow(next) {
      // Invariant: I2, what is not known completely takes no peer away. The first has none to take.
      if (!next.complete && view !== null) return;
      view = next;
      datapath.setRoutes(userspace.routes(next));
    },
    check: attachment.check,
    async run(deviceReady, signal) {
      let delay = newDelays(deps);
      for (;;) {
        await deviceReady(signal);
        const since = deps.clock.monotonic();
        const outcome = view ? await attachment.carry(userspace.tunnel(view), signal) : "over";
        if (deps.clock.monotonic() - since > LASTING) delay = newDelays(deps);
        await deps.clock.sleep(outcome === "missing" ? MISSING_DELAY : delay.next().value, signal);
      }
    },
    ready: attachment.ready,
    trouble: attachment.trouble,
    report: () => reportCounters(datapath.counters(), deps.log),
    [Symbol.dispose]() {
      const carried = attachment.trouble() === null;
      datapath[Symbol.dispose]();
      if (carried) deps.log.info("packets are not carried until flanneld runs again; the device stays");
    },
  };
}

interface Attachment extends Pick<DataPlane, "check" | "ready" | "trouble"> {
  /** Returns when packets are no longer carried, or cannot be, because the device is missing or otherwise. */
  carry(tunnel: DatapathTunnel, signal: AbortSignal): Promise<"missing" | "over">;
}

function createAttachment(datapath: Datapath, port: number, ended: Doorbell, deps: Deps): Attachment {
  const waiters = createWaiters();
  const complaint = createComplaint(
    { raised: "cannot attach to the device", settled: "attached to the device again" },
    deps,
  );
  let trouble: string | null = "not attached to the device yet";
  let device: string | null = null;
  const set = (reason: string | null, attached: string | null) => {
    trouble = reason;
    device = attached;
    waiters.check();
  };
  return {
    trouble: () => trouble,
    ready: (signal) => waiters.until(() => trouble === null, signal),
    check() {
      // Kernel: a descriptor stays with its device when that gets another name.
      if (device !== null && datapath.device() !== device) ended.ring("ENODEV");
    },
    async carry(tunnel, signal) {
      try {
        datapath.attach(tunnel);
      } catch (error) {
        const reason = describeAttachError(error, tunnel.device);
        set(reason, null);
        complaint.raise(reason, { dev: tunnel.device });
        return isMissing(error) ? "missing" : "over";
      }
      complaint.settle();
      deps.log.info("packets are carried", { dev: tunnel.device, port, ...describeFeatures(datapath) });
      set(null, tunnel.device);
      const [errno = ""] = await ended.wait(signal);
      datapath.detach();
      set(`the device ${tunnel.device} was taken away (${errno})`, null);
      deps.log.warn("packets are no longer carried", { dev: tunnel.device, errno });
      return "over";
    },
  };
}

function newDelays({ random }: Deps): Generator<Millis, never> {
  return delays({ first: FIRST_DELAY, max: LONGEST_DELAY, random });
}

function open(userspace: Userspace, underlay: Underlay, deps: Deps, onEnded: (errno: string) => void): Datapath {
  const options = userspace.options(underlay);
  const onFeatureLost = (feature: string, errno: string) =>
    deps.log.warn("the kernel rejects what it has offered; it is off from now on", { feature, errno });
  try {
    return deps.openDatapath(options, { onEnded, onFeatureLost });
  } catch (error) {
    throw describeOpenError(error, `${options.address}:${options.port}`);
  }
}

function describeOpenError(error: unknown, address: string): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case "EADDRINUSE": {
      const reason =
        "another process has this UDP port (ss -lunp shows which; a second flanneld?); stop it, or set another Port in the Backend of the network config";
      return new FlannelError("listen.failed", { what: "packets of the udp backend", address, reason });
    }
    case "ENOENT":
    case "ENODEV":
    case "ENXIO": {
      const reason =
        "there is no /dev/net/tun: load the kernel module tun (modprobe tun), or give the container the device /dev/net/tun";
      return new FlannelError("backend.unsuitable", { backend: "udp", reason });
    }
    case "EACCES":
    case "EPERM": {
      const reason = `/dev/net/tun or UDP ${address} may not be opened: run flanneld as root with CAP_NET_ADMIN, and allow the device`;
      return new FlannelError("backend.unsuitable", { backend: "udp", reason });
    }
    default:
      return new FlannelError("listen.failed", {
        what: "packets of the udp backend",
        address,
        reason: messageOf(error),
      });
  }
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
    notIpv4: counters.droppedNotIpv4,
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
