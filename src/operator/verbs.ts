// The operator's commands. One is added by an entry here: its syntax for the command line and the help, and what it
// does, which is loaded only when it is called.

import { FLAGS, type Flag, type FlagName, flag } from "../cli/flags.ts";
import type { Verb } from "./verb.ts";

const CONFIG = "FILE|-|JSON";
const SUBNET = { name: "SUBNET", optional: false } as const;

function option(name: string, help: string) {
  return flag(name, { group: "command", type: "bool", env: false, help });
}

const SOCKET = flag("socket", {
  group: "command",
  type: "string",
  env: false,
  help: "Control socket of the daemon, or a directory in which to look for it. Default: /run/flannel.",
});

/** The daemon's own, with its variables: a command that looks at the same host goes by the same settings. */
function daemonFlags(...names: readonly FlagName[]): readonly Flag[] {
  return FLAGS.filter(({ name }) => names.includes(name));
}

function number(name: string, fallback: string, help: string) {
  return flag(name, { group: "command", type: "int", env: false, default: fallback, help });
}

export const VERBS: readonly Verb[] = [
  {
    name: "status",
    asks: "daemon",
    summary: "Show how the flanneld of this host is, on one screen.",
    details:
      "Its lease and the time left, etcd, the peers by state, what was repaired, and what is degraded and why. Shows " +
      "every daemon of the host, and how the last one has ended where none runs. Exit status: 0 ready, 1 degraded, " +
      "2 not ready or not running.",
    words: [],
    flags: [SOCKET],
    run: async (...call) => (await import("./status.ts")).showStatus(...call),
  },
  {
    name: "peers",
    asks: "daemon",
    summary: "List the other hosts of the network, as this one has them.",
    details:
      "Subnet, public IP, whether packets to it are sent, since when, and the records that are left out with the " +
      "reason; of a daemon with --peer-traffic also what was received and sent, and of one with --probe-interval how " +
      "it answers. Exit status: 0 all are programmed, 1 some are not, 2 the daemon is not ready or not running.",
    words: [],
    flags: [SOCKET],
    run: async (...call) => (await import("./peers.ts")).listPeers(...call),
  },
  {
    name: "events",
    asks: "daemon",
    summary: "Show what has happened to the flanneld of this host.",
    details:
      "The last thousand transitions since its start, oldest first: what it has logged at info and above, and the " +
      "peers that came and went. With -json a line of JSON for each.",
    words: [],
    flags: [SOCKET, option("follow", "Go on with each event as it comes, until interrupted.")],
    run: async (...call) => (await import("./events.ts")).showEvents(...call),
  },
  {
    name: "log-level",
    asks: "daemon",
    summary: "Show the log level of the flanneld of this host, or set it.",
    details: "LEVEL is one of error, warn, info, debug, and is in force until the daemon ends. Nothing is restarted.",
    words: [{ name: "LEVEL", optional: true }],
    flags: [SOCKET],
    run: async (...call) => (await import("./log-level.ts")).logLevel(...call),
  },
  {
    name: "bugreport",
    asks: "daemon",
    summary: "Write an archive for somebody who is to help.",
    details:
      "The daemon's status and events, its settings, the kernel's links, routes, neighbours, forwarding entries and " +
      "firewall rules, and the end of the journal. Passwords, keys and tokens are removed. Works also when no daemon " +
      "runs; what is missing is listed. FILE is by default named after the host and the time.",
    words: [{ name: "FILE", optional: true }],
    flags: [SOCKET],
    run: async (...call) => (await import("./bugreport.ts")).reportBug(...call),
  },
  {
    name: "config get",
    asks: "etcd",
    summary: "Print the network config that is in etcd.",
    details: "As it was written; with -json also its key, its revision and its members.",
    words: [],
    flags: [],
    run: async (...call) => (await import("./config-get.ts")).getConfig(...call),
  },
  {
    name: "config validate",
    asks: "etcd",
    summary: "Check a network config as the daemon would.",
    details:
      "Takes FILE, standard input (-), the JSON itself, or what is in etcd. Says every problem with its JSON path, " +
      "or the values that daemons would go by, and which members nobody reads.",
    words: [{ name: CONFIG, optional: true }],
    flags: [],
    run: async (...call) => (await import("./config-validate.ts")).validateConfig(...call),
  },
  {
    name: "config set",
    asks: "etcd",
    summary: "Check a network config and write it to etcd.",
    details:
      "Takes FILE, standard input (-) or the JSON itself. Refuses what the daemon would refuse, shows what changes " +
      "and when that takes effect, and writes only over the config that it has looked at. A config in which " +
      "existing leases have no place is refused.",
    words: [{ name: CONFIG, optional: false }],
    flags: [
      option("dry-run", "Show what would change, and write nothing."),
      option("force", "Write it also if existing leases no longer fit."),
    ],
    run: async (...call) => (await import("./config-set.ts")).setConfig(...call),
  },
  {
    name: "leases",
    asks: "etcd",
    summary: "List all leases and reservations, and what is free.",
    details: "Also the records that daemons leave out, with the reason.",
    words: [],
    flags: [option("no-ttl", "Do not ask how long each lease lasts, which takes a request for each.")],
    run: async (...call) => (await import("./leases.ts")).listLeases(...call),
  },
  {
    name: "web",
    asks: "etcd",
    summary: "Show the overlay on a page that keeps itself up to date.",
    details:
      "Hosts, leases on a map of the addresses, who reaches whom, traffic and events: as etcd has them, and as the " +
      "daemons say at their health ports, which the host where this runs must reach (--healthz-port there). Runs " +
      "until Ctrl-C, changes nothing, and asks nobody while no page is open.",
    words: [],
    flags: [
      flag("listen", {
        group: "command",
        type: "string",
        default: "127.0.0.1:8470",
        env: false,
        help: "Address and port on which the page is served. There is no password.",
      }),
      flag("health-port", {
        group: "command",
        type: "int",
        default: "8081",
        env: false,
        help: "Port on which the daemons of all hosts answer (their --healthz-port).",
      }),
    ],
    run: async (...call) => (await import("./web.ts")).showPage(...call),
  },
  {
    name: "check",
    asks: "etcd",
    summary: "Say what keeps flanneld from working, and what mends it.",
    details:
      "Looks at this host, its etcd and its peers, before installing and when something is wrong. Needs neither a " +
      "running flanneld nor etcd, and goes by the daemon's variables. As root it sees everything; as another user it " +
      "says what it could not look at. Changes nothing. Exit status: 0 fine, 1 degraded, 2 broken.",
    words: [],
    flags: [
      flag("backend", {
        group: "command",
        type: "string",
        env: false,
        help: "Backend to check for while the network config cannot be read; default all.",
      }),
      ...daemonFlags("iface", "iface-regex", "iface-can-reach", "public-ip", "public-ipv6", "subnet-file", "state-dir"),
    ],
    run: async (...call) => (await import("./check.ts")).checkHost(...call),
  },
  {
    name: "ping",
    asks: "etcd",
    summary: "Ping peers, also through the overlay; find the path MTU.",
    details:
      "NODE is a host's public IP or the beginning of its node id, SUBNET one such as 10.5.52.0/24, or an address in " +
      "it. Packets may not be fragmented and grow up to what the device sends. Needs CAP_NET_RAW. Exit status: 0 " +
      "fine, 1 degraded, 2 broken.",
    words: [{ name: "NODE|SUBNET", optional: true }],
    flags: [
      option("all", "Every peer."),
      number("count", "3", "Small packets for each address, 1 to 100."),
      number("wait", "1", "Seconds to wait for each answer, 1 to 60."),
    ],
    run: async (...call) => (await import("./ping.ts")).pingPeers(...call),
  },
  {
    name: "reserve",
    asks: "etcd",
    summary: "Keep a subnet for a host for good.",
    details:
      "A leased subnet stays with its host and does not expire any more; a free one is kept for the host that " +
      "--public-ip names, which gets it when flanneld starts there. SUBNET is one such as 10.5.52.0/24.",
    words: [SUBNET],
    flags: [
      flag("public-ip", {
        group: "command",
        type: "string",
        env: false,
        help: "Public IP of the host that a free subnet is for.",
      }),
    ],
    run: async (...call) => (await import("./reserve.ts")).reserveSubnet(...call),
  },
  {
    name: "release",
    asks: "etcd",
    summary: "Make a reservation an ordinary lease again, or delete it.",
    details:
      "The lease lasts 24 h: flanneld on its host renews it, or it ends. A record that is deleted under a running " +
      "flanneld is leased anew at once, so stop that first. With --now and --force SUBNET may also be one whose record " +
      "is no lease, or the key of such a record, as flanneld leases lists them.",
    words: [SUBNET],
    flags: [
      option("now", "Delete the record instead."),
      option("force", "Delete the record also if it is not a reservation but a lease, or no lease at all."),
    ],
    run: async (...call) => (await import("./reserve.ts")).releaseSubnet(...call),
  },
];
