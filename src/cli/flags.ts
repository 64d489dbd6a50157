// Every flag of the daemon, once: parsing, environment, help and the README's table all read this list.
// Flags of the operator's commands alone stand with those (src/operator/verbs.ts).
// It says what a flag is called and means, not how its value is checked (options.ts) or how argv is written (go-flags.ts).
// Compat: names, types and defaults are those of Go flanneld; log-format is ours.

export type FlagType = "bool" | "int" | "string" | "list";
export type FlagGroup =
  | "etcd"
  | "interface"
  | "lease"
  | "firewall"
  | "health"
  | "log"
  | "kubernetes"
  | "command"
  | "about";

export interface Flag<Name extends string = string> {
  readonly name: Name;
  readonly group: FlagGroup;
  readonly type: FlagType;
  /** As it would be written on the command line; empty means unset. */
  readonly default: string;
  readonly help: string;
  /** False for what makes no sense in the environment. */
  readonly env: boolean;
  /** Why a value that asks for the function is refused, or null when the function is there. */
  readonly notBuilt: string | null;
}

/** Headings in the order of the help. */
export const GROUP_TITLES: Readonly<Record<FlagGroup, string>> = {
  etcd: "etcd",
  interface: "External interface",
  lease: "Subnet and lease",
  firewall: "Firewall and routes",
  health: "Health and status",
  log: "Log",
  kubernetes: "Kubernetes",
  command: "This command",
  about: "About",
};

const NO_KUBERNETES = "leases are kept in etcd only; keeping them in Kubernetes is not built yet, remove this setting";
const NO_KLOG = "logging per source file is not built; use -v=1 for debug messages";

interface Shape {
  readonly group: FlagGroup;
  readonly type: FlagType;
  readonly default?: string;
  readonly env?: false;
  readonly notBuilt?: string;
  readonly help: string;
}

export function flag<const Name extends string>(name: Name, shape: Shape): Flag<Name> {
  const unset = shape.type === "bool" ? "false" : "";
  return { name, default: unset, env: true, notBuilt: null, ...shape };
}

export const FLAGS = [
  flag("etcd-endpoints", {
    group: "etcd",
    type: "string",
    default: "http://127.0.0.1:4001,http://127.0.0.1:2379",
    help: "Endpoints of the etcd cluster, separated by commas.",
  }),
  flag("etcd-prefix", {
    group: "etcd",
    type: "string",
    default: "/coreos.com/network",
    help: "Key under which the network config and the leases are kept.",
  }),
  flag("etcd-cafile", {
    group: "etcd",
    type: "string",
    help: "PEM file of the authorities that may sign etcd's certificate; without it, those of the system.",
  }),
  flag("etcd-certfile", { group: "etcd", type: "string", help: "PEM file of the client certificate shown to etcd." }),
  flag("etcd-keyfile", { group: "etcd", type: "string", help: "PEM file of the key of the client certificate." }),
  flag("etcd-username", { group: "etcd", type: "string", help: "User name for etcd authentication." }),
  flag("etcd-password", {
    group: "etcd",
    type: "string",
    help: "Password for etcd authentication. Prefer the variable: every user of the host can read command lines.",
  }),
  flag("iface", {
    group: "interface",
    type: "list",
    help: "Interface (name or IP) for traffic between hosts. May be repeated: the first that fits is used. Default: the interface of the default route.",
  }),
  flag("iface-regex", {
    group: "interface",
    type: "list",
    help: "Regular expression for the address or the name of the interface, tried after -iface. May be repeated.",
  }),
  flag("iface-can-reach", {
    group: "interface",
    type: "string",
    help: "Use the interface through which the kernel reaches this IP, tried after -iface-regex.",
  }),
  flag("public-ip", {
    group: "interface",
    type: "string",
    help: "IPv4 address that the other hosts send to. Default: the address of the interface.",
  }),
  flag("public-ipv6", {
    group: "interface",
    type: "string",
    help: "IPv6 address that the other hosts send to. Default: the address of the interface.",
  }),
  flag("subnet-file", {
    group: "lease",
    type: "string",
    default: "/run/flannel/subnet.env",
    help: "File to which the subnet, the MTU and the like are written for container runtimes.",
  }),
  flag("subnet-lease-renew-margin", {
    group: "lease",
    type: "int",
    default: "60",
    help: "Minutes before its end at which the lease is renewed, 1 to 1439.",
  }),
  flag("state-dir", {
    group: "lease",
    type: "string",
    default: "/var/lib/flannel",
    help: "Directory in which this host remembers its id, its lease and its peers, to come up with when etcd does not answer.",
  }),
  flag("stale-peer-grace", {
    group: "lease",
    type: "int",
    default: "15",
    help: "Minutes for which peers are kept whose records vanish from etcd together, 0 to 1440.",
  }),
  flag("ip-masq", {
    group: "firewall",
    type: "bool",
    help: "Masquerade traffic from the overlay network to outside, and from this host to remote containers.",
  }),
  flag("ip-masq-fully-random-disable", {
    group: "firewall",
    type: "bool",
    help: "Do not pick masquerade ports fully at random.",
  }),
  flag("iptables-forward-rules", {
    group: "firewall",
    type: "bool",
    default: "true",
    help: "Accept forwarded traffic of the overlay network.",
  }),
  flag("iptables-resync", {
    group: "firewall",
    type: "int",
    default: "5",
    help: "Seconds between checks of the firewall rules, 1 to 86400. Where the kernel announces changes (nft, iptables-nft) they are checked then, and else once a minute.",
  }),
  flag("ip-blackhole-route", {
    group: "firewall",
    type: "bool",
    help: "Keep a blackhole route for the subnet of this host.",
  }),
  flag("healthz-ip", {
    group: "health",
    type: "string",
    default: "0.0.0.0",
    help: "Address on which /healthz, /readyz, /metrics, /status and /events are served.",
  }),
  flag("healthz-port", {
    group: "health",
    type: "int",
    default: "0",
    help: "Port on which /healthz, /readyz, /metrics, /status and /events are served; 0 for none.",
  }),
  flag("control-socket", {
    group: "health",
    type: "string",
    help: "Path of the socket through which commands such as flanneld status ask this daemon, or none. Default: flanneld.sock beside the subnet file.",
  }),
  flag("probe-interval", {
    group: "health",
    type: "int",
    default: "0",
    help: "Seconds between two pings of each peer, on the underlay and through the overlay, 1 to 3600; 0 for none.",
  }),
  flag("peer-traffic", {
    group: "health",
    type: "bool",
    help: "Count the traffic with each peer, by nftables; flanneld peers, /metrics?peers and /status show it.",
  }),
  flag("log-format", {
    group: "log",
    type: "string",
    default: "text",
    help: "text or json, one line for each event on standard error.",
  }),
  flag("v", { group: "log", type: "int", default: "0", help: "Verbosity: 0 for info, 1 and more for debug." }),
  flag("vmodule", {
    group: "log",
    type: "string",
    notBuilt: NO_KLOG,
    help: "Verbosity for each source file: pattern=N,...",
  }),
  flag("log_backtrace_at", {
    group: "log",
    type: "string",
    default: ":0",
    notBuilt: NO_KLOG,
    help: "Log a stack trace at this file:line.",
  }),
  flag("kube-subnet-mgr", {
    group: "kubernetes",
    type: "bool",
    notBuilt: NO_KUBERNETES,
    help: "Keep leases in the Kubernetes API instead of etcd.",
  }),
  flag("kube-api-url", {
    group: "kubernetes",
    type: "string",
    notBuilt: NO_KUBERNETES,
    help: "URL of the Kubernetes API server.",
  }),
  flag("kube-annotation-prefix", {
    group: "kubernetes",
    type: "string",
    default: "flannel.alpha.coreos.com",
    notBuilt: NO_KUBERNETES,
    help: "Prefix of the annotations on the node.",
  }),
  flag("kubeconfig-file", {
    group: "kubernetes",
    type: "string",
    notBuilt: NO_KUBERNETES,
    help: "File that says how to reach the Kubernetes API server.",
  }),
  flag("net-config-path", {
    group: "kubernetes",
    type: "string",
    default: "/etc/kube-flannel/net-conf.json",
    notBuilt: NO_KUBERNETES,
    help: "File of the network config.",
  }),
  flag("set-node-network-unavailable", {
    group: "kubernetes",
    type: "bool",
    default: "true",
    notBuilt: NO_KUBERNETES,
    help: "Clear the node's condition NetworkUnavailable when ready.",
  }),
  // Compat: FLANNELD_VERSION has no effect in Go flanneld; images set it to say what they contain.
  flag("version", { group: "about", type: "bool", env: false, help: "Print the version and exit." }),
] as const;

export type FlagName = (typeof FLAGS)[number]["name"];

/** The environment variable of a flag: etcd-endpoints is FLANNELD_ETCD_ENDPOINTS. */
export function envName(flag: Flag): string {
  return `FLANNELD_${flag.name.toUpperCase().replaceAll("-", "_")}`;
}
