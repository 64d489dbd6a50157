// Pods made by the real CNI plugins, with the network config that flannel's own CNI plugin would hand to them from the
// host's subnet.env (spec of that plugin's delegate: type bridge, IPAM host-local).
// The plugins are called directly, as a container runtime calls them; nothing here knows containers.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parsePrefix4 } from "../src/base/ip.ts";
import { parsePrefix6 } from "../src/base/ipv6.ts";
import { run } from "./run.ts";
import { inNamespace, ipBatch, type Machine } from "./topology.ts";

export interface Pod {
  readonly name: string;
  readonly host: Machine;
  readonly namespace: string;
  /** Of its eth0, without the length; the IPv4 one if it has both. */
  readonly address: string;
  /** Null when it has none. */
  readonly address6: string | null;
}

/** What a container runtime's side of CNI reads in subnet.env. */
export interface SubnetEnv {
  /** Empty without IPv4. */
  readonly network: string;
  /** The first host address, with the subnet's length. */
  readonly subnet: string;
  /** Null without IPv6. */
  readonly ipv6: { readonly network: string; readonly subnet: string } | null;
  readonly mtu: number;
}

const PLUGIN_DIRECTORIES = ["/usr/lib/cni", "/opt/cni/bin"];

/** Makes a namespace and has the bridge plugin connect it to cni0 on the host. */
export async function addPod(host: Machine, name: string, subnetFile: string, signal: AbortSignal): Promise<Pod> {
  const namespace = `${host.namespace}-${name}`;
  await ipBatch(null, [`netns add ${namespace}`], signal);
  const config = bridgeConfig(parseSubnetEnv(readFileSync(subnetFile, "utf8")), host);
  const result = await callBridge("ADD", host, namespace, config, signal);
  return { name, host, namespace, address: parseAddress(result), address6: parseAddresses(result)[1] };
}

/** The reverse. The namespace goes, too. */
export async function deletePod(pod: Pod, subnetFile: string, signal: AbortSignal): Promise<void> {
  const config = bridgeConfig(parseSubnetEnv(readFileSync(subnetFile, "utf8")), pod.host);
  await callBridge("DEL", pod.host, pod.namespace, config, signal);
  await ipBatch(null, [`netns del ${pod.namespace}`], signal);
}

/** Strict, as flannel's CNI plugin is: unquoted values, exact keys. */
export function parseSubnetEnv(text: string): SubnetEnv {
  const values = new Map(text.split("\n").map((line) => [line.split("=", 1)[0], line.slice(line.indexOf("=") + 1)]));
  const value = (key: string) => {
    const found = values.get(key);
    if (found === undefined) throw new Error(`the subnet file is missing ${key}:\n${text}`);
    return found;
  };
  const ipv6 = values.has("FLANNEL_IPV6_SUBNET")
    ? { network: value("FLANNEL_IPV6_NETWORK"), subnet: value("FLANNEL_IPV6_SUBNET") }
    : null;
  const isIpv6Only = ipv6 !== null && !values.has("FLANNEL_SUBNET");
  return {
    network: isIpv6Only ? "" : value("FLANNEL_NETWORK"),
    subnet: isIpv6Only ? "" : value("FLANNEL_SUBNET"),
    ipv6,
    mtu: Number(value("FLANNEL_MTU")),
  };
}

/** The config that flannel's CNI plugin makes for its delegate. Pods keep their addresses on the way: no masquerading. */
export function bridgeConfig(env: SubnetEnv, host: Pick<Machine, "directory">): object {
  const { network, subnet, ipv6 } = env;
  const subnets = [...(subnet ? [parsePrefix4(subnet)] : []), ...(ipv6 ? [parsePrefix6(ipv6.subnet)] : [])];
  const networks = [...(network ? [network] : []), ...(ipv6 ? [ipv6.network] : [])];
  return {
    cniVersion: "0.4.0",
    name: "cbr0",
    type: "bridge",
    bridge: "cni0",
    mtu: env.mtu,
    ipMasq: false,
    hairpinMode: true,
    isGateway: true,
    isDefaultGateway: true,
    ipam: {
      type: "host-local",
      ranges: subnets.map((one) => [{ subnet: one }]),
      routes: networks.map((dst) => ({ dst })),
      // Of this host's own: in a real cluster each host has its own /var/lib/cni.
      dataDir: join(host.directory, "cni"),
    },
  };
}

async function callBridge(
  command: "ADD" | "DEL",
  host: Machine,
  podNamespace: string,
  config: object,
  signal: AbortSignal,
): Promise<string> {
  const directory = PLUGIN_DIRECTORIES.find((directory) => existsSync(join(directory, "bridge")));
  if (directory === undefined) throw new Error(`no CNI plugin bridge in ${PLUGIN_DIRECTORIES.join(" or ")}`);
  const env = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: podNamespace,
    CNI_NETNS: join("/run/netns", podNamespace),
    CNI_IFNAME: "eth0",
    CNI_PATH: directory,
  };
  const plugin = inNamespace(host.namespace, [join(directory, "bridge")]);
  return (await run(plugin, { input: JSON.stringify(config), env }, signal)).stdout;
}

/** The pod's address in the result of ADD. */
export function parseAddress(result: string): string {
  const [v4, v6] = parseAddresses(result);
  const address = v4 ?? v6;
  if (!address) throw new Error(`the CNI plugin gave no address: ${result}`);
  return address;
}

/** The one of each family. */
function parseAddresses(result: string): readonly [string | null, string | null] {
  const { ips = [] } = JSON.parse(result) as { readonly ips?: readonly { readonly address?: string }[] };
  const addresses = ips.flatMap(({ address }) => address?.split("/")[0] || []);
  const find = (isIpv6: boolean) => addresses.find((address) => address.includes(":") === isIpv6) ?? null;
  return [find(false), find(true)];
}
