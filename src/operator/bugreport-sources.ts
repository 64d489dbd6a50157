// What goes into a bug report besides what the daemon says: files, and what programs print that change nothing. Pure.

import { SETTINGS_FILES } from "../cli/service-settings.ts";
import type { DaemonStatus } from "../status/snapshot.ts";

export type Source =
  | { readonly kind: "file"; readonly name: string; readonly path: string }
  | { readonly kind: "command"; readonly name: string; readonly command: readonly string[] };

type FileSource = Extract<Source, { kind: "file" }>;
type CommandSource = Extract<Source, { kind: "command" }>;

/** The service's unit, which may hold settings, too. */
export const UNIT_NAME = "service/unit.txt";

export function filesFor(daemons: readonly DaemonStatus[]): readonly FileSource[] {
  const fixed = ["/etc/os-release", ...SETTINGS_FILES].map((path) => fileAt(`files${path}`, path));
  const own = daemons.flatMap(({ process: { pid }, options }) => [
    ...["cmdline", "status", "limits"].map((name) => fileAt(`process/${pid}/${name}`, `/proc/${pid}/${name}`)),
    ...subnetFileOf(options).map((path) => fileAt(`files${path}`, path)),
  ]);
  return [...fixed, ...own];
}

function fileAt(name: string, path: string): FileSource {
  return { kind: "file", name, path };
}

function subnetFileOf(options: DaemonStatus["options"]): readonly string[] {
  const file = (options as { readonly subnetFile?: unknown }).subnetFile;
  return typeof file === "string" ? [file] : [];
}

const COMMANDS: readonly CommandSource[] = [
  command("kernel/uname.txt", "uname -a"),
  command("kernel/modules.txt", "lsmod"),
  command("kernel/ip-link.txt", "ip -d -s link"),
  command("kernel/ip-address.txt", "ip address"),
  command("kernel/ip-rule.txt", "ip rule"),
  command("kernel/ip-route.txt", "ip route show table all"),
  command("kernel/ip-6-route.txt", "ip -6 route show table all"),
  command("kernel/ip-neighbour.txt", "ip neighbour"),
  command("kernel/bridge-fdb.txt", "bridge fdb"),
  command("kernel/sockets.txt", "ss -ulpn"),
  command("kernel/sysctl.txt", "sysctl -a -r ^net[.](ipv4|ipv6|bridge|core|netfilter)"),
  command("firewall/nft.txt", "nft list ruleset"),
  command("firewall/iptables.txt", "iptables-save -c"),
  command("firewall/ip6tables.txt", "ip6tables-save -c"),
  command("service/status.txt", "systemctl status --no-pager --full flanneld.service"),
  command(UNIT_NAME, "systemctl cat flanneld.service"),
  command("service/journal.txt", "journalctl -u flanneld.service -n 5000 --no-pager -o short-iso"),
];

export function commandsFor(daemons: readonly DaemonStatus[]): readonly CommandSource[] {
  const devices = daemons.flatMap(({ underlay, backend }) => [
    underlay?.interface,
    ...(backend?.devices ?? []).map(({ name }) => name),
  ]);
  const named = new Set(devices.filter((name) => typeof name === "string"));
  return [...COMMANDS, ...[...named].map((name) => command(`kernel/offload-${name}.txt`, `ethtool -k ${name}`))];
}

function command(name: string, line: string): CommandSource {
  return { kind: "command", name, command: line.split(" ") };
}
