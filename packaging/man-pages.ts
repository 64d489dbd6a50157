// The manual pages as roff, made of the table of flags where they speak of flags. Pure.

import { envName, type Flag, GROUP_TITLES } from "../src/cli/flags.ts";
import type { Command, Surface } from "./surface.ts";

export interface ManPage {
  /** "flanneld.8" */
  readonly file: string;
  readonly text: string;
}

/** What the pages are of: the version, and the date of the source, in seconds since the epoch. */
export interface Edition {
  readonly version: string;
  readonly date: number;
}

export const EXIT_STATUS: readonly (readonly [string, string])[] = [
  ["0", "Stopped by a signal; a command is done; \\-\\-help, \\-\\-version."],
  ["1", "A bug: report it with the trace. Of status, peers, check and ping: degraded."],
  ["2", "A command that asks the daemon got no answer. Of status and peers: not ready. Of check and ping: broken."],
  ["64", "Wrong command line or FLANNELD_* variable. Every problem is listed."],
  ["65", "A command was refused: it does not fit what is in etcd, and nothing was changed."],
  ["74", "The result of a command could not be written to standard output or to a file."],
  ["75", "The kernel or etcd refused for good; a command got no answer, or was overtaken. Trying again may help."],
  [
    "77",
    "CAP_NET_ADMIN is missing, or CAP_NET_RAW for ping and \\-\\-probe\\-interval, or the daemon's socket is not for this user.",
  ],
  ["78", "Wrong configuration: network config, certificate file, interface, port. Restarting does not help."],
];

export function manPages(surface: Surface, edition: Edition): readonly ManPage[] {
  return [
    { file: "flanneld.8", text: daemonPage(surface, edition) },
    { file: "flanneld-start.8", text: ".so man8/flanneld.8\n" },
    { file: "flanneld.conf.5", text: configPage(surface, edition) },
    { file: "mk-docker-opts.8", text: dockerPage(edition) },
  ];
}

/** Running text as roff: nothing in it is taken for a request or an escape, and a hyphen can be copied. */
export function escapeRoff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll(/^([.'])/gm, "\\&$1");
}

function page(name: string, section: number, { version, date }: Edition, sections: readonly string[]): string {
  const day = new Date(date * 1000).toISOString().slice(0, 10);
  const head = `.TH ${escapeRoff(name).toUpperCase()} ${section} "${day}" "flanneld ${version}"`;
  return `${[head, ...sections].join("\n")}\n`;
}

function section(title: string, ...lines: readonly string[]): string {
  return [`.SH ${title}`, ...lines].join("\n");
}

function term(head: string, text: string): string {
  return `.TP\n${head}\n${text}`;
}

function flagItem(flag: Flag): string {
  const name = `\\fB\\-\\-${escapeRoff(flag.name)}\\fR`;
  const value = flag.type === "bool" ? "[=\\fIbool\\fR]" : `=\\fI${flag.type}\\fR`;
  const facts = [
    escapeRoff(flag.help),
    ...(flag.notBuilt === null ? [] : ["Not built yet."]),
    ...(flag.default === "" ? [] : [`Default: ${escapeRoff(flag.default)}.`]),
    ...(flag.env ? [`Variable: ${envName(flag)}.`] : []),
  ];
  return term(name + value, facts.join("\n"));
}

function flagSections(flags: readonly Flag[]): readonly string[] {
  return Object.entries(GROUP_TITLES).flatMap(([group, title]) => {
    const members = flags.filter((flag) => flag.group === group);
    return members.length === 0 ? [] : [`.SS ${escapeRoff(title)}`, ...members.map(flagItem)];
  });
}

const DAEMON_DESCRIPTION = section(
  "DESCRIPTION",
  "\\fBflanneld\\fR leases a subnet for this host in etcd, keeps the kernel's routes to the subnets of all other hosts,",
  "and writes \\fI/run/flannel/subnet.env\\fR for container runtimes. Every container gets an address of its own.",
  ".PP",
  "It runs as \\fBflanneld.service\\fR, whose settings are described in \\fBflanneld.conf\\fR(5). The service starts",
  "\\fBflanneld\\-start\\fR, which makes flags of FLANNEL_ETCD_ENDPOINTS and FLANNEL_ETCD_PREFIX and runs \\fBflanneld\\fR.",
  "The network config is JSON in etcd at \\fI<etcd\\-prefix>/config\\fR.",
);

const DAEMON_SIGNALS = section(
  "SIGNALS",
  term(
    "SIGTERM, SIGINT",
    "End in order. Devices, routes and the lease stay, so that pods go on. A second one ends at once.",
  ),
  term("SIGHUP", "Read the certificates for etcd again."),
  term("SIGUSR1", "Log the counters."),
);

const DAEMON_FILES = section(
  "FILES",
  term(
    "\\fI/run/flannel/subnet.env\\fR",
    "The subnet and the MTU for container runtimes. Stays when the daemon stops.",
  ),
  term(
    "\\fI/run/flannel/flanneld.sock\\fR",
    "What \\fBflanneld status\\fR and other commands ask. For root and the group flannel.",
  ),
  term("\\fI/run/flannel/docker\\fR", "Options for Docker, made by \\fBmk\\-docker\\-opts\\fR(8)."),
  term(
    "\\fI/var/lib/flannel\\fR",
    "The host's id, and what was leased last, to come up with when etcd does not answer.",
  ),
  term("\\fI/etc/default/flanneld\\fR, \\fI/etc/sysconfig/flanneld\\fR", "See \\fBflanneld.conf\\fR(5)."),
);

/** "flanneld release SUBNET", what it does, and its own flags. */
function commandItem({ name, summary, words, flags }: Command): string {
  const operands = words.map(({ name, optional }) => {
    const operand = `\\fI${escapeRoff(name)}\\fR`;
    return optional ? ` [${operand}]` : ` ${operand}`;
  });
  const head = `\\fBflanneld ${escapeRoff(name)}\\fR${operands.join("")}`;
  return [term(head, escapeRoff(summary)), ".RS", ...flags.map(flagItem), ".RE"].join("\n");
}

function commandSections({ commands, common }: Surface): readonly string[] {
  if (commands.length === 0) return [];
  return [
    section("COMMANDS", ...commands.map(commandItem)),
    ".SS All commands",
    'Those that look at etcd also take the flags that say where it is (below, "etcd"), and without them the settings of',
    "the service. \\fBflanneld help\\fR \\fIcommand\\fR explains one.",
    ...common.map(flagItem),
  ];
}

function daemonPage(surface: Surface, edition: Edition): string {
  const { flags, commands } = surface;
  return page("flanneld", 8, edition, [
    section("NAME", "flanneld, flanneld\\-start \\- overlay network daemon for containers"),
    section(
      "SYNOPSIS",
      "\\fBflanneld\\fR [\\fIflags\\fR]",
      ...(commands.length > 0 ? [".br", "\\fBflanneld\\fR \\fIcommand\\fR [\\fIflags\\fR]"] : []),
    ),
    DAEMON_DESCRIPTION,
    ...commandSections(surface),
    section(
      "OPTIONS",
      '\\-name and \\-\\-name are the same, and so are \\-name=value and \\-name value; a bool takes its value only after "=".',
      "The command line wins over the variable; an empty text counts as unset in both.",
      ...flagSections(flags),
    ),
    DAEMON_SIGNALS,
    section("EXIT STATUS", ...EXIT_STATUS.map(([status, text]) => term(status, text))),
    DAEMON_FILES,
    section(
      "SEE ALSO",
      "\\fBflanneld.conf\\fR(5), \\fBmk\\-docker\\-opts\\fR(8), \\fBip\\-route\\fR(8), \\fBsystemctl\\fR(1)",
    ),
  ]);
}

function configPage({ flags }: Surface, edition: Edition): string {
  const variables = flags.filter(({ env, notBuilt }) => env && notBuilt === null);
  return page("flanneld.conf", 5, edition, [
    section("NAME", "flanneld.conf \\- settings of flanneld.service"),
    section("SYNOPSIS", "\\fI/etc/default/flanneld\\fR", ".br", "\\fI/etc/sysconfig/flanneld\\fR"),
    section(
      "DESCRIPTION",
      'Lines of NAME=value or NAME="value", as \\fBsystemd.exec\\fR(5) reads an EnvironmentFile: no shell and no',
      "expansion. Both files are read if they are there; the second wins. The commands of \\fBflanneld\\fR(8) read them,",
      "too, when they are not told where etcd is. After a change:",
      "\\fBsystemctl restart flanneld\\fR; traffic goes on meanwhile.",
      ".PP",
      "What decides, the strongest first: FLANNEL_OPTIONS; FLANNEL_ETCD_ENDPOINTS and FLANNEL_ETCD_PREFIX; FLANNELD_*;",
      "the default. An empty value is no value.",
    ),
    section(
      "VARIABLES",
      term("\\fBFLANNEL_ETCD_ENDPOINTS\\fR", "Endpoints of etcd, separated by commas. An older name is FLANNEL_ETCD."),
      term("\\fBFLANNEL_ETCD_PREFIX\\fR", "Key under which the network config is. An older name is FLANNEL_ETCD_KEY."),
      term(
        "\\fBFLANNEL_OPTIONS\\fR",
        "Further flags of \\fBflanneld\\fR(8), separated by blanks. A part in quotes is one word. Every user of the host can\nread them: no password here.",
      ),
      ...variables.map((flag) => term(`\\fB${envName(flag)}\\fR`, escapeRoff(flag.help))),
    ),
    section(
      "EXAMPLE",
      ".EX",
      'FLANNEL_ETCD_ENDPOINTS="https://192.0.2.1:2379,https://192.0.2.2:2379"',
      'FLANNEL_ETCD_PREFIX="/kube\\-centos/network"',
      'FLANNEL_OPTIONS="\\-etcd\\-cafile=/etc/flanneld/ssl/ca.pem \\-\\-iface=eth1"',
      ".EE",
    ),
    section("SEE ALSO", "\\fBflanneld\\fR(8), \\fBsystemd.exec\\fR(5)"),
  ]);
}

function dockerPage(edition: Edition): string {
  return page("mk-docker-opts", 8, edition, [
    section("NAME", "mk\\-docker\\-opts \\- make options for Docker from flannel's subnet file"),
    section(
      "SYNOPSIS",
      "\\fBmk\\-docker\\-opts\\fR [\\fB\\-f\\fR \\fIfile\\fR] [\\fB\\-d\\fR \\fIfile\\fR] [\\fB\\-i\\fR] [\\fB\\-c\\fR] [\\fB\\-m\\fR] [\\fB\\-k\\fR \\fIname\\fR]",
    ),
    section(
      "DESCRIPTION",
      "Writes \\-\\-bip, \\-\\-mtu and \\-\\-ip\\-masq for dockerd into a file that a unit reads with EnvironmentFile=.",
      "flanneld.service runs it when the network is ready, and flanneld\\-docker.service before Docker starts; both write DOCKER_NETWORK_OPTIONS to \\fI/run/flannel/docker\\fR.",
      "Docker masquerades exactly when flannel does not.",
    ),
    section(
      "OPTIONS",
      term("\\fB\\-f\\fR \\fIfile\\fR", "What flanneld has written. Default: \\fI/run/flannel/subnet.env\\fR."),
      term("\\fB\\-d\\fR \\fIfile\\fR", "The file to write. Default: \\fI/run/docker_opts.env\\fR."),
      term("\\fB\\-i\\fR", "Write DOCKER_OPT_BIP, DOCKER_OPT_IPMASQ and DOCKER_OPT_MTU."),
      term("\\fB\\-c\\fR", "Write all of them as one variable. Without \\-i and \\-c both are written."),
      term("\\fB\\-k\\fR \\fIname\\fR", "The name of that variable. Default: DOCKER_OPTS."),
      term("\\fB\\-m\\fR", "Leave \\-\\-ip\\-masq out."),
    ),
    section(
      "EXIT STATUS",
      term("0", "The file is written."),
      term("1", "It is not: wrong options, a wrong FLANNEL_IPMASQ, or the file cannot be written."),
    ),
    section("SEE ALSO", "\\fBflanneld\\fR(8), \\fBdockerd\\fR(8)"),
  ]);
}
