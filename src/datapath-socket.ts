// The data path that is open, and the next one when the underlay has another address: the socket is bound to an address
// for good. The next is opened while the other still carries packets, so that a failure takes nothing away.

import { isDeepStrictEqual } from "node:util";
import type { Userspace } from "./backends/userspace.ts";
import { createComplaint } from "./base/complaint.ts";
import type { Datapath, DatapathCounters, DatapathOptions, OpenDatapath } from "./base/datapath.ts";
import { FlannelError, messageOf } from "./base/errors.ts";
import { familyOf } from "./base/ip.ts";
import type { Underlay } from "./net/underlay.ts";
import type { Ports } from "./ports.ts";

export interface DatapathSocket extends Disposable {
  current(): Datapath;
  /** Opens the next if the underlay asks for another socket. True when there is a next one. */
  prepare(underlay: Underlay): boolean;
  /** Closes the current one, from which nothing may be attached any more, and takes the next, if there is one. */
  advance(): void;
  /** Why there is no socket as the underlay asks for, or null. */
  trouble(): string | null;
  /** Of all that have been open. */
  counters(): DatapathCounters;
}

export type SocketDeps = Pick<Ports, "clock" | "log"> & { readonly openDatapath: OpenDatapath };

interface Opened {
  readonly datapath: Datapath;
  readonly options: DatapathOptions;
}

const WORDS = {
  raised: "cannot open the socket at the underlay's new address",
  settled: "the socket is open again",
} as const;

/** Throws `listen.failed` or `backend.unsuitable`. `onEnded` is told of the current one only. */
export function openDatapathSocket(
  userspace: Userspace,
  underlay: Underlay,
  deps: SocketDeps,
  onEnded: (errno: string) => void,
): DatapathSocket {
  const complaint = createComplaint(WORDS, deps);
  const openOne = (options: DatapathOptions): Opened => {
    const tell = (errno: string) => {
      if (current === one) onEnded(errno);
    };
    const one: Opened = { options, datapath: open(options, deps, tell) };
    return one;
  };
  let current = openOne(userspace.options(underlay));
  let next: Opened | null = null;
  let past: DatapathCounters | null = null;
  let trouble: string | null = null;
  const close = (one: Opened) => {
    past = sum(past, one.datapath.counters());
    one.datapath[Symbol.dispose]();
  };
  return {
    current: () => current.datapath,
    trouble: () => trouble,
    prepare(wanted) {
      const options = userspace.options(wanted);
      if (next && !isDeepStrictEqual(next.options, options)) {
        next.datapath[Symbol.dispose]();
        next = null;
      }
      if (next) return true;
      trouble = null;
      if (isDeepStrictEqual(current.options, options)) {
        complaint.settle();
        return false;
      }
      try {
        next = openOne(options);
        complaint.settle();
      } catch (error) {
        trouble = messageOf(error);
        complaint.raise(trouble);
      }
      return next !== null;
    },
    advance() {
      if (!next) return;
      close(current);
      [current, next] = [next, null];
    },
    counters: () => sum(past, current.datapath.counters()),
    [Symbol.dispose]() {
      next?.datapath[Symbol.dispose]();
      current.datapath[Symbol.dispose]();
    },
  };
}

function sum(past: DatapathCounters | null, now: DatapathCounters): DatapathCounters {
  if (past === null) return now;
  const entries = Object.entries(now).map(([name, value]) => [name, value + past[name as keyof DatapathCounters]]);
  return Object.fromEntries(entries) as DatapathCounters;
}

function open(options: DatapathOptions, deps: SocketDeps, onEnded: (errno: string) => void): Datapath {
  const onFeatureLost = (feature: string, errno: string) =>
    deps.log.warn("the kernel rejects what it has offered; it is off from now on", { feature, errno });
  try {
    return deps.openDatapath(options, { onEnded, onFeatureLost });
  } catch (error) {
    throw describeOpenError(error, authorityOf(options));
  }
}

function authorityOf({ address, port }: DatapathOptions): string {
  return familyOf(address) === "ipv6" ? `[${address}]:${port}` : `${address}:${port}`;
}

function describeOpenError(error: unknown, address: string): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case "EADDRINUSE": {
      const { holder = "another process" } = error as { readonly holder?: string };
      const reason = `${holder} has this UDP port (ss -lunp); stop it, or set another Port in the Backend of the network config`;
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
