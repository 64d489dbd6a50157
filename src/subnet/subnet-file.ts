// The subnet file, subnet.env: what the CNI plugin, Docker and our own next start read. The bytes are exactly the Go
// daemon's: the CNI plugin splits at "=" and knows neither quotes nor comments. Reading back is tolerant, because people
// edit the file.

import { readFile } from "node:fs/promises";
import { FlannelError, isError, messageOf } from "../base/errors.ts";
import type { Prefix, Prefix4 } from "../base/ip.ts";
import { hostAddress4, parsePrefix4 } from "../base/ip.ts";
import { hostAddress6, type Prefix6, parsePrefix6 } from "../base/ipv6.ts";
import type { Random } from "../base/random.ts";
import { writeWholeFile } from "../base/whole-file.ts";
import type { Subnet } from "./lease.ts";
import type { NetworkConfig } from "./network-config.ts";

export interface SubnetFileFields {
  readonly network: NetworkConfig;
  readonly subnet: Subnet;
  /** Of the overlay, as the backend says. */
  readonly mtu: number;
  readonly ipMasq: boolean;
}

/** SUBNET is the subnet's first host address: the one that the bridge gets. */
export function formatSubnetFile({ network, subnet, mtu, ipMasq }: SubnetFileFields): string {
  const lines: string[] = [];
  if (network.ipv4) {
    lines.push(`FLANNEL_NETWORK=${network.ipv4.network}`, `FLANNEL_SUBNET=${hostAddress4(subnet.v4, 1)}`);
  }
  if (network.ipv6 && subnet.v6) {
    lines.push(`FLANNEL_IPV6_NETWORK=${network.ipv6.network}`, `FLANNEL_IPV6_SUBNET=${hostAddress6(subnet.v6, 1)}`);
  }
  lines.push(`FLANNEL_MTU=${mtu}`, `FLANNEL_IPMASQ=${ipMasq}`);
  return lines.map((line) => `${line}\n`).join("");
}

export type PreviousSubnet<P extends Prefix> =
  | { readonly kind: "found"; readonly subnet: P }
  /** `reason` is a clause about the file. */
  | { readonly kind: "none"; readonly reason: string };

/** The IPv4 subnet of an earlier run. Never throws: whatever the file holds, the worst outcome is another subnet. */
export function parsePreviousSubnet(text: string): PreviousSubnet<Prefix4> {
  return previousOf(text, "FLANNEL_SUBNET", "IPv4", parsePrefix4);
}

/** The IPv6 one, likewise. */
export function parsePreviousSubnet6(text: string): PreviousSubnet<Prefix6> {
  return previousOf(text, "FLANNEL_IPV6_SUBNET", "IPv6", parsePrefix6);
}

function previousOf<P extends Prefix>(
  text: string,
  key: string,
  family: "IPv4" | "IPv6",
  parse: (text: string) => P,
): PreviousSubnet<P> {
  const value = dotenvValue(text, key);
  if (value === null) return { kind: "none", reason: `it has no ${key}` };
  const items = value.split(",").map((item) => prefixOrNull(item.trim(), parse));
  const [subnet, another] = items.filter((item) => item !== null);
  if (subnet === undefined) {
    return { kind: "none", reason: `its ${key} is not an ${family} subnet: ${JSON.stringify(value.slice(0, 60))}` };
  }
  if (another !== undefined) return { kind: "none", reason: `its ${key} names more than one subnet` };
  return { kind: "found", subnet };
}

/** The networks of an earlier run, of both families. Never throws: what is no network is left out. */
export function parsePreviousNetworks(text: string): readonly Prefix[] {
  const items = (key: string) => (dotenvValue(text, key) ?? "").split(",").map((item) => item.trim());
  const networks: readonly (Prefix | null)[] = [
    ...items("FLANNEL_NETWORK").map((item) => prefixOrNull(item)),
    ...items("FLANNEL_IPV6_NETWORK").map((item) => prefixOrNull(item, parsePrefix6)),
  ];
  return networks.filter((network) => network !== null);
}

/** Null when the file has none that is a number. */
export function parsePreviousMtu(text: string): number | null {
  const value = Number(dotenvValue(text, "FLANNEL_MTU") || Number.NaN);
  return Number.isInteger(value) ? value : null;
}

/** KEY=value or KEY: value, with or without `export`, quotes and a comment; the last line of the key wins. */
function dotenvValue(text: string, key: string): string | null {
  const pattern = new RegExp(`^[ \\t]*(?:export[ \\t]+)?${key}[ \\t]*[=:][ \\t]*(.*)$`, "gm");
  const value = [...text.matchAll(pattern)].at(-1)?.[1];
  if (value === undefined) return null;
  const quoted = /^(["'])(.*?)\1/.exec(value);
  return quoted ? (quoted[2] ?? "") : value.replace(/(^|\s)#.*$/, "").trim();
}

function prefixOrNull(text: string): Prefix4 | null;
function prefixOrNull<T>(text: string, parse: (text: string) => T): T | null;
function prefixOrNull(text: string, parse: (text: string) => Prefix = parsePrefix4): Prefix | null {
  try {
    return parse(text);
  } catch (error) {
    if (isError(error, "address.invalid")) return null;
    throw error;
  }
}

/** The file's text, or null when there is none. Throws `file.unreadable` for every other reason. */
export async function readSubnetFile(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new FlannelError("file.unreadable", { path, purpose: "the subnet file", reason: messageOf(error) });
  }
}

/** All of it or none: kubelet may read at any time. Throws the file system's error. */
export async function writeSubnetFile(path: string, text: string, deps: { readonly random: Random }): Promise<void> {
  // Pods' tooling does not run as root: readable by all, whatever the umask says.
  await writeWholeFile(path, text, 0o644, deps);
}
