// The one error class of the program. Its code decides who acts on it; its message is a sentence for a person and is
// derived from code and info here, so that every place that throws says the same thing in the same words.
// Outcomes that a correct program expects (subnet taken, object already there) are return values and not listed here.

export interface ErrorInfo {
  "usage.invalid": { readonly problems: readonly string[] };
  "config.invalid": { readonly at: string; readonly reason: string };
  "file.unreadable": { readonly path: string; readonly purpose: string; readonly reason: string };
  "file.unwritable": { readonly path: string; readonly reason: string };
  "address.invalid": { readonly text: string; readonly wanted: string };
  "interface.not-found": { readonly reason: string; readonly existing: readonly string[] };
  "backend.unsuitable": { readonly backend: string; readonly reason: string };
  "listen.failed": { readonly what: string; readonly address: string; readonly reason: string };
  "firewall.missing": { readonly flag: string; readonly tool: string; readonly remedy: string };
  "firewall.failed": { readonly tool: string; readonly reason: string };
  "privilege.missing": { readonly capability: "CAP_NET_ADMIN" | "CAP_NET_RAW" };
  /** `pid` is 0 when it cannot be told. */
  "instance.running": { readonly prefix: string; readonly pid: number };
  "device.carried": { readonly device: string; readonly pid: number };
  "etcd.unavailable": { readonly op: string; readonly reason: string };
  /** No TLS connection: a certificate or the like, which is the cause; `endpoints` for people. */
  "etcd.handshake": { readonly op: string; readonly reason: string; readonly endpoints: string };
  "etcd.denied": { readonly op: string; readonly reason: string };
  "etcd.full": { readonly op: string; readonly reason: string };
  "lease.exhausted": { readonly network: string; readonly subnets: number };
  "host.duplicate": { readonly publicIp: string; readonly subnet: string; readonly node: string };
  /** `socket` is a path. */
  "daemon.absent": { readonly socket: string; readonly reason: string };
  "daemon.denied": { readonly socket: string };
  /** `hint`: what would be accepted, if there is anything. */
  "request.refused": { readonly reason: string; readonly hint: string | null };
  "request.overtaken": { readonly what: string };
  "output.failed": { readonly reason: string };
  "netlink.errno": { readonly op: string; readonly errno: string; readonly message: string | null };
  "netlink.malformed": { readonly what: string; readonly offset: number };
  "native.unavailable": { readonly path: string; readonly reason: string };
}

export type ErrorCode = keyof ErrorInfo;

/** Who acts: `operator` a person (systemd must not restart), `retry` the owning loop, `restart` the supervisor. */
export type Disposition = "operator" | "retry" | "restart";

interface CodeFacts {
  readonly disposition: Disposition;
  readonly exit: number;
}

const FACTS: Readonly<Record<ErrorCode, CodeFacts>> = {
  "usage.invalid": { disposition: "operator", exit: 64 },
  "config.invalid": { disposition: "operator", exit: 78 },
  "file.unreadable": { disposition: "operator", exit: 78 },
  "file.unwritable": { disposition: "operator", exit: 74 },
  "address.invalid": { disposition: "operator", exit: 78 },
  "interface.not-found": { disposition: "operator", exit: 78 },
  "backend.unsuitable": { disposition: "operator", exit: 78 },
  "listen.failed": { disposition: "operator", exit: 78 },
  "firewall.missing": { disposition: "operator", exit: 78 },
  "firewall.failed": { disposition: "retry", exit: 75 },
  "privilege.missing": { disposition: "operator", exit: 77 },
  "instance.running": { disposition: "operator", exit: 78 },
  "device.carried": { disposition: "operator", exit: 78 },
  "etcd.unavailable": { disposition: "retry", exit: 75 },
  "etcd.handshake": { disposition: "retry", exit: 75 },
  "etcd.denied": { disposition: "retry", exit: 75 },
  "etcd.full": { disposition: "retry", exit: 75 },
  "lease.exhausted": { disposition: "retry", exit: 75 },
  "host.duplicate": { disposition: "retry", exit: 75 },
  "daemon.absent": { disposition: "operator", exit: 2 },
  "daemon.denied": { disposition: "operator", exit: 77 },
  "request.refused": { disposition: "operator", exit: 65 },
  "request.overtaken": { disposition: "restart", exit: 75 },
  "output.failed": { disposition: "operator", exit: 74 },
  "netlink.errno": { disposition: "restart", exit: 75 },
  "netlink.malformed": { disposition: "restart", exit: 75 },
  "native.unavailable": { disposition: "operator", exit: 78 },
};

const PURPOSES: Readonly<Record<ErrorInfo["privilege.missing"]["capability"], string>> = {
  CAP_NET_ADMIN: "change the kernel's network state",
  CAP_NET_RAW: "send pings",
};

type Sentences = { readonly [C in ErrorCode]: (info: ErrorInfo[C]) => string };

const SENTENCES: Sentences = {
  "usage.invalid": ({ problems }) => problems.join("\n"),
  "config.invalid": ({ at, reason }) => `${at}: ${reason}`,
  "file.unreadable": ({ path, purpose, reason }) => `cannot read ${purpose} ${path}: ${reason}`,
  "file.unwritable": ({ path, reason }) => `cannot write ${path}: ${reason}`,
  "address.invalid": ({ text, wanted }) => `${JSON.stringify(text)} is not ${wanted}`,
  "interface.not-found": ({ reason, existing }) =>
    `${reason}; the host has ${existing.length > 0 ? existing.join(", ") : "no interface with a usable address"}`,
  "backend.unsuitable": ({ backend, reason }) => `backend ${backend} cannot run here: ${reason}`,
  "listen.failed": ({ what, address, reason }) => `cannot listen for ${what} on ${address}: ${reason}`,
  "firewall.missing": ({ flag, tool, remedy }) => `${flag} needs ${tool}, which is not in the PATH: ${remedy}`,
  "firewall.failed": ({ tool, reason }) => `${tool} failed: ${reason}`,
  "privilege.missing": ({ capability }) =>
    `needs the capability ${capability} to ${PURPOSES[capability]}: run it as root, or grant ${capability} (systemd: AmbientCapabilities=${capability})`,
  "instance.running": ({ prefix, pid }) =>
    `another flanneld (${describeHolder(pid)}) already carries the network ${prefix} on this host: stop it, or give this one another --etcd-prefix`,
  "device.carried": ({ device, pid }) =>
    `another flanneld (${describeHolder(pid)}) already has the device ${device} on this host, for another network: stop it, or set another VNI in the Backend of this network's config (flanneld config set)`,
  "etcd.unavailable": ({ op, reason }) => `etcd did not answer (${op}): ${reason}`,
  "etcd.handshake": ({ op, reason, endpoints }) => `${reason} (${op}, ${endpoints})`,
  "etcd.denied": ({ op, reason }) => `etcd refused (${op}): ${reason}`,
  "etcd.full": ({ op, reason }) => `etcd has no room (${op}): ${reason}`,
  "lease.exhausted": ({ network, subnets }) =>
    `out of subnets: all ${subnets} of ${network} are leased; free one (a lease ends 24 h after its host's last renewal), or widen Network, SubnetMin/SubnetMax or SubnetLen in the network config`,
  "host.duplicate": ({ publicIp, subnet, node }) =>
    `another running host (node id ${node}) has the public IP ${publicIp} of this one and holds ${subnet} with it; give each its own with -iface or -public-ip`,
  "daemon.absent": ({ socket, reason }) => `no flanneld answers at ${socket}: ${reason}`,
  "daemon.denied": ({ socket }) =>
    `permission denied at ${socket}: run it as root, or as a member of the socket's group`,
  "request.refused": ({ reason, hint }) => (hint === null ? reason : `${reason}; ${hint}`),
  "request.overtaken": ({ what }) =>
    `somebody else changed ${what} at the same time, and nothing was written: try again`,
  "output.failed": ({ reason }) => `cannot write to standard output: ${reason}`,
  "netlink.errno": ({ op, errno, message }) => `the kernel refused ${op}: ${errno}${message ? ` (${message})` : ""}`,
  "netlink.malformed": ({ what, offset }) => `malformed netlink message: ${what} at byte ${offset}`,
  "native.unavailable": ({ path, reason }) => `cannot load the native addon ${path}: ${reason}; run npm run build`,
};

function describeHolder(pid: number): string {
  return pid > 0 ? `process ${pid}` : "a process of another container";
}

export class FlannelError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C;
  readonly info: ErrorInfo[C];

  constructor(code: C, info: ErrorInfo[C], options?: ErrorOptions) {
    super(SENTENCES[code](info), options);
    this.name = "FlannelError";
    this.code = code;
    this.info = info;
  }
}

export function isError<C extends ErrorCode>(error: unknown, code: C): error is FlannelError<C> {
  return error instanceof FlannelError && error.code === code;
}

/** True for what the owning loop tries again; everything else ends the daemon. */
export function isRetryable(error: unknown): error is FlannelError {
  return error instanceof FlannelError && FACTS[error.code as ErrorCode].disposition === "retry";
}

/** The process exit status for an error that ended the daemon: sysexits(3) for typed ones, 1 for a bug. */
export function exitStatusOf(error: unknown): number {
  return error instanceof FlannelError ? FACTS[error.code as ErrorCode].exit : 1;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
