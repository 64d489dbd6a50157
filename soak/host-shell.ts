// What somebody types on a host, or on the switch to which it is connected.

import { run } from "../lab/run.ts";
import { inNamespace } from "../lab/topology.ts";
import type { SoakHost, World } from "./world.ts";

/** Sends what it gets nowhere. */
export const GATEWAY = "192.168.77.1";

/** Ends with the first command that fails, and throws then. The line finds the names of things in its environment. */
export async function onHost(world: World, host: SoakHost, line: string, signal: AbortSignal): Promise<string> {
  return await shell(host.machine.namespace, world, host, line, signal);
}

/** The host's port is $PORT. */
export async function onSwitch(world: World, host: SoakHost, line: string, signal: AbortSignal): Promise<string> {
  return await shell(world.topology.switchNamespace, world, host, line, signal);
}

async function shell(namespace: string, world: World, host: SoakHost, line: string, signal: AbortSignal) {
  const command = inNamespace(namespace, ["sh", "-ec", line]);
  return (await run(command, { env: wordsFor(world, host) }, signal)).stdout;
}

/** The host's own things, and those of one of its peers: the next host. */
function wordsFor({ hosts, device, network }: World, host: SoakHost): Readonly<Record<string, string>> {
  const others = [1, 2].map((step) => hosts[(hosts.indexOf(host) + step) % hosts.length] as SoakHost);
  const [peer = host, other = host] = others;
  return {
    GATEWAY,
    NETWORK: network,
    /** The tunnel's; without one, eth0. */
    DEV: device,
    PORT: host.machine.name,
    NAMESPACE: host.machine.namespace,
    OWN_IP: host.machine.address,
    NEW_IP: host.machine.address.replace(/\d+$/, (byte) => `${Number(byte) + 100}`),
    PEER_BASE: baseOf(peer),
    PEER_IP: peer.machine.address,
    PEER_MAC: peer.mac ?? "",
    OTHER_BASE: baseOf(other),
  };
}

/** "10.5.7.0" */
function baseOf({ key }: SoakHost): string {
  return key.replace(/-\d+$/, "");
}
