// Settings as texts in, frozen Options of parsed values out. Pure: every problem is a sentence in a list, and all of
// them are found in one run.
// Compat: empty texts mean unset, as in Go flanneld. Unlike there, what cannot work is refused before anything starts.

import { type Millis, minutes, seconds } from "../base/brand.ts";
import type { Ip, Ipv4 } from "../base/ip.ts";
import { isUnicastIpv4, parseIpv4 } from "../base/ip.ts";
import { type Ipv6, isUnicastIpv6, parseIpv6 } from "../base/ipv6.ts";
import { controlSocketPath } from "../control/path.ts";
import { readEndpoints } from "./endpoints.ts";
import { FLAGS, type Flag, type FlagName } from "./flags.ts";
import { parseGoBoolean, parseGoInteger } from "./go-flags.ts";
import { compileInterfaceRegex } from "./interface-regex.ts";
import type { Setting, Settings } from "./program.ts";

export interface EtcdOptions {
  /** "http://host:port" or "https://host:port", all of one kind. */
  readonly endpoints: readonly string[];
  readonly prefix: string;
  readonly tls: TlsOptions;
  readonly auth: { readonly username: string; readonly password: string } | null;
}

export interface TlsOptions {
  readonly caFile: string | null;
  /** Never without keyFile, nor the other way round. */
  readonly certFile: string | null;
  readonly keyFile: string | null;
}

export interface UnderlayOptions {
  /** Names or addresses. */
  readonly interfaces: readonly string[];
  readonly regexes: readonly { readonly source: string; readonly pattern: RegExp }[];
  readonly canReach: Ip | null;
  readonly publicIp: Ipv4 | null;
  readonly publicIpv6: Ipv6 | null;
}

export interface HealthzOptions {
  readonly ip: Ip;
  readonly port: number;
}

export interface FirewallOptions {
  readonly forward: boolean;
  /** Masquerade ports chosen fully at random, where the host can. */
  readonly random: boolean;
  /** Between two looks at the rules. */
  readonly resync: Millis;
}

export type LogFormat = "text" | "json";

export interface LogOptions {
  readonly format: LogFormat;
  readonly debug: boolean;
}

export interface Options {
  readonly etcd: EtcdOptions;
  readonly underlay: UnderlayOptions;
  readonly subnetFile: string;
  readonly stateDirectory: string;
  /** Null for none. */
  readonly controlSocket: string | null;
  readonly renewMargin: Millis;
  /** 0 for none. */
  readonly stalePeerGrace: Millis;
  readonly ipMasq: boolean;
  readonly firewall: FirewallOptions;
  readonly blackholeRoute: boolean;
  readonly healthz: HealthzOptions | null;
  /** Between two probes of each peer; null for none. */
  readonly probeInterval: Millis | null;
  /** Traffic is counted by peer. */
  readonly peerTraffic: boolean;
  readonly log: LogOptions;
}

/** The options are of use only when no problem was added. */
export interface ReadOptions {
  readonly options: Options;
  readonly problems: readonly string[];
}

export function readOptions(settings: Settings): ReadOptions {
  const reader = createReader(settings);
  const options: Options = {
    etcd: readEtcd(reader),
    underlay: readUnderlay(reader),
    subnetFile: reader.text("subnet-file"),
    renewMargin: minutes(reader.integer("subnet-lease-renew-margin", { min: 1, max: 1439, unit: " minutes" })),
    stateDirectory: reader.text("state-dir"),
    stalePeerGrace: minutes(reader.integer("stale-peer-grace", { min: 0, max: 1440, unit: " minutes" })),
    ipMasq: isOn("ip-masq", reader),
    firewall: {
      forward: isOn("iptables-forward-rules", reader),
      random: !isOn("ip-masq-fully-random-disable", reader),
      resync: seconds(reader.integer("iptables-resync", { min: 1, max: 86_400, unit: " seconds" })),
    },
    blackholeRoute: isOn("ip-blackhole-route", reader),
    healthz: readHealthz(reader),
    controlSocket: controlSocketPath(reader.optional("control-socket"), reader.text("subnet-file")),
    probeInterval: seconds(reader.integer("probe-interval", { min: 0, max: 3600, unit: " seconds" })) || null,
    peerTraffic: isOn("peer-traffic", reader),
    log: { format: readLogFormat(reader), debug: reader.integer("v", {}) >= 1 },
  };
  for (const flag of FLAGS) checkFlag(flag, settings[flag.name], reader);
  return { options: freeze(options), problems: reader.problems };
}

/** Of all settings those that say where etcd is; the others are not looked at. */
export function readEtcdOptions(settings: Settings): {
  readonly options: EtcdOptions;
  readonly problems: readonly string[];
} {
  const reader = createReader(settings);
  return { options: freeze(readEtcd(reader)), problems: reader.problems };
}

/** The same for those that choose the underlay interface. */
export function readUnderlayOptions(settings: Readonly<Record<string, Setting>>): {
  readonly options: UnderlayOptions;
  readonly problems: readonly string[];
} {
  const reader = createReader(settings as Settings);
  return { options: freeze(readUnderlay(reader)), problems: reader.problems };
}

interface Range {
  readonly min?: number;
  readonly max?: number;
  readonly unit?: string;
}

interface Reader {
  readonly settings: Settings;
  readonly problems: string[];
  text(name: FlagName): string;
  /** Null when empty. */
  optional(name: FlagName): string | null;
  integer(name: FlagName, range: Range): number;
  /** Null when empty, or not what it should be, which is then a problem. */
  parsed<T>(name: FlagName, wanted: string, parse: (text: string) => T | null): T | null;
  /** "-v=x: must be an integer", with the flag or variable and the value that the operator wrote. */
  complain(name: FlagName, complaint: string): void;
}

function createReader(settings: Settings): Reader {
  const problems: string[] = [];
  const text = (name: FlagName) => settings[name].values[0] ?? "";
  const complain = (name: FlagName, complaint: string) => {
    problems.push(`${settings[name].written}=${text(name)}: ${complaint}`);
  };
  return {
    settings,
    problems,
    text,
    complain,
    optional: (name) => text(name) || null,
    integer(name, { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, unit = "" }) {
      const value = parseGoInteger(text(name));
      if (value !== null && value >= min && value <= max) return value;
      const above = min > Number.NEGATIVE_INFINITY ? `between ${min} and ${max}${unit}` : `an integer up to ${max}`;
      complain(name, `must be ${max < Number.POSITIVE_INFINITY ? above : "an integer"}`);
      return 0;
    },
    parsed(name, wanted, parse) {
      const value = text(name) === "" ? null : parse(text(name));
      if (value === null && text(name) !== "") complain(name, `must be ${wanted}`);
      return value;
    },
  };
}

function readEtcd(reader: Reader): EtcdOptions {
  const tls: TlsOptions = {
    caFile: reader.optional("etcd-cafile"),
    certFile: reader.optional("etcd-certfile"),
    keyFile: reader.optional("etcd-keyfile"),
  };
  requirePair(reader, "etcd-certfile", "etcd-keyfile");
  requirePair(reader, "etcd-username", "etcd-password");
  const secure = [tls.caFile, tls.certFile, tls.keyFile].some((file) => file !== null);
  const { endpoints, problems } = readEndpoints(reader.text("etcd-endpoints"), secure);
  reader.problems.push(...problems.map((problem) => `${reader.settings["etcd-endpoints"].written}: ${problem}`));
  const username = reader.optional("etcd-username");
  const password = reader.optional("etcd-password");
  return {
    endpoints,
    prefix: reader.text("etcd-prefix"),
    tls,
    auth: username !== null && password !== null ? { username, password } : null,
  };
}

function requirePair(reader: Reader, one: FlagName, other: FlagName): void {
  const missing = (name: FlagName) => reader.optional(name) === null;
  if (missing(one) === missing(other)) return;
  const [absent, present] = missing(one) ? [one, other] : [other, one];
  reader.problems.push(`${reader.settings[present].written} needs -${absent}: set both or none`);
}

function readUnderlay(reader: Reader): UnderlayOptions {
  const { settings, problems } = reader;
  const interfaces = settings.iface.values;
  // Kernel: an interface name has no space and no slash, so this is a lost quote or comma.
  for (const name of interfaces.filter((name) => /[\s/]/.test(name))) {
    problems.push(`${settings.iface.written}=${name}: must be one interface name or IP address`);
  }
  const regexes: UnderlayOptions["regexes"][number][] = [];
  for (const source of settings["iface-regex"].values) {
    const compiled = compileInterfaceRegex(source);
    if (typeof compiled === "string") problems.push(`${settings["iface-regex"].written}=${source}: ${compiled}`);
    else regexes.push({ source, pattern: compiled });
  }
  const publicIp = reader.parsed("public-ip", "an IPv4 address", readIpv4);
  const publicIpv6 = reader.parsed("public-ipv6", "an IPv6 address", readIpv6);
  const notUnicast = "must be a unicast address, since the other hosts send to it";
  if (publicIp !== null && !isUnicastIpv4(publicIp)) reader.complain("public-ip", notUnicast);
  if (publicIpv6 !== null && !isUnicastIpv6(publicIpv6)) reader.complain("public-ipv6", notUnicast);
  const canReach = reader.parsed("iface-can-reach", "an IP address", readIp);
  return { interfaces, regexes, canReach, publicIp, publicIpv6 };
}

function isOn(name: FlagName, reader: Reader): boolean {
  return parseGoBoolean(reader.text(name)) === true;
}

/** Compat: a port of 0 or less means no health endpoint, an empty address all of the host's. */
function readHealthz(reader: Reader): HealthzOptions | null {
  const ip = reader.parsed("healthz-ip", "an IP address such as 127.0.0.1", readIp) ?? parseIpv4("0.0.0.0");
  const port = reader.integer("healthz-port", { max: 65535 });
  return port > 0 ? { ip, port } : null;
}

function readLogFormat(reader: Reader): LogFormat {
  const format = reader.text("log-format");
  if (format === "text" || format === "json") return format;
  reader.complain("log-format", "must be text or json");
  return "text";
}

/**
 * A function that is not built is refused only when it is asked for; "-kube-subnet-mgr=false" asks for nothing, and
 * neither does a default that is spelt out.
 */
function checkFlag(flag: Flag<FlagName>, setting: Setting, reader: Reader): void {
  const value = reader.text(flag.name);
  const boolean = flag.type === "bool" ? parseGoBoolean(value) : null;
  const idle = boolean === false || value === flag.default;
  if (flag.type === "bool" && boolean === null) reader.complain(flag.name, "must be true or false");
  else if (flag.notBuilt !== null && setting.given && !idle) reader.complain(flag.name, flag.notBuilt);
}

function readIpv4(text: string): Ipv4 | null {
  return orNull(() => parseIpv4(text));
}

function readIpv6(text: string): Ipv6 | null {
  return orNull(() => parseIpv6(text));
}

function readIp(text: string): Ip | null {
  return readIpv4(text) ?? readIpv6(text);
}

function orNull<T>(parse: () => T): T | null {
  try {
    return parse();
  } catch {
    return null;
  }
}

/** Plain data only: a RegExp stays as it is. */
function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || value instanceof RegExp) return value;
  for (const part of Object.values(value)) freeze(part);
  return Object.freeze(value);
}
