// Hosts as network namespaces on a virtual switch. The switch is a bridge in a namespace of its own, so the machine's
// own network is never touched, and two labs never meet: all may use the same addresses.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { isKept, openRun, type Run } from "./cleanup.ts";
import { run } from "./run.ts";

/** A namespace with `eth0` on the switch. */
export interface Machine {
  /** "h1"; also its port's name on the switch. */
  readonly name: string;
  readonly namespace: string;
  /** Of eth0. */
  readonly address: string;
  /** The same of IPv6; null on a switch without it. */
  readonly address6: string | null;
  /** For the files of what runs there. */
  readonly directory: string;
}

export interface Topology extends AsyncDisposable {
  readonly run: Run;
  /** The switch's namespace: take a port down in it to pull a host's cable. */
  readonly switchNamespace: string;
  /** Where etcd is meant to run: on the switch and on none of the hosts. */
  readonly etcd: Machine;
  /** h1, h2, ... */
  readonly hosts: readonly Machine[];
  /** What runs in the lab is disposed of with it, the last first. Returns its argument. */
  own<T extends AsyncDisposable>(resource: T): T;
}

export interface TopologyOptions {
  readonly hosts: number;
  /** The first three bytes of the switch's /24. */
  readonly network?: string;
  /** Machines also have an IPv6 address, of fd77::/64. */
  readonly ipv6?: boolean;
}

const DEFAULT_NETWORK = "192.168.77";
const NETWORK6 = "fd77::";
/** The switch itself, every machine's default gateway; it forwards nothing. */
const SWITCH_BYTE = 1;
const ETCD_BYTE = 2;
const FIRST_HOST_BYTE = 11;

export async function openTopology(options: TopologyOptions, signal: AbortSignal): Promise<Topology> {
  const { hosts, network = DEFAULT_NETWORK, ipv6 = false } = options;
  const lab = openRun();
  try {
    const machine = (name: string, byte: number): Machine => ({
      name,
      namespace: `${lab.name}-${name}`,
      address: `${network}.${byte}`,
      address6: ipv6 ? `${NETWORK6}${byte}` : null,
      directory: join(lab.directory, name),
    });
    const owned: AsyncDisposable[] = [];
    const topology: Topology = {
      run: lab,
      switchNamespace: `${lab.name}-switch`,
      etcd: machine("etcd", ETCD_BYTE),
      hosts: Array.from({ length: hosts }, (_, index) => machine(`h${index + 1}`, FIRST_HOST_BYTE + index)),
      own: (resource) => {
        owned.push(resource);
        return resource;
      },
      [Symbol.asyncDispose]: async () => {
        if (isKept(lab.name)) return;
        using _ = lab;
        for (const resource of owned.reverse()) await resource[Symbol.asyncDispose]();
      },
    };
    await makeNamespaces(topology, signal);
    await configure(topology, `${network}.${SWITCH_BYTE}`, signal);
    return topology;
  } catch (error) {
    lab[Symbol.dispose]();
    throw error;
  }
}

/** The same command, run in a network namespace. */
export function inNamespace(namespace: string, command: readonly string[]): readonly string[] {
  return ["ip", "netns", "exec", namespace, ...command];
}

/** `ip` reads its arguments from `lines`, one command a line: one process however many there are. */
export async function ipBatch(namespace: string | null, lines: readonly string[], signal: AbortSignal): Promise<void> {
  const where = namespace === null ? [] : ["-n", namespace];
  await run(["ip", ...where, "-batch", "-"], { input: `${lines.join("\n")}\n` }, signal);
}

async function makeNamespaces(topology: Topology, signal: AbortSignal): Promise<void> {
  const { switchNamespace } = topology;
  const machines = [topology.etcd, ...topology.hosts];
  for (const { directory } of machines) mkdirSync(directory);
  await ipBatch(
    null,
    [
      ...[switchNamespace, ...machines.map(({ namespace }) => namespace)].map((name) => `netns add ${name}`),
      ...machines.map(
        ({ name, namespace }) =>
          `link add eth0 netns ${namespace} type veth peer name ${name} netns ${switchNamespace}`,
      ),
    ],
    signal,
  );
}

/** Of IPv6 on a machine. Nobody else has the addresses: they are of use at once. */
function linesFor6(address6: string | null): readonly string[] {
  if (address6 === null) return [];
  return [`addr add ${address6}/64 dev eth0 nodad`, `route add default via ${NETWORK6}${SWITCH_BYTE}`];
}

async function configure(topology: Topology, gateway: string, signal: AbortSignal): Promise<void> {
  const machines = [topology.etcd, ...topology.hosts];
  await ipBatch(
    topology.switchNamespace,
    [
      "link add br0 type bridge",
      "link set br0 up",
      `addr add ${gateway}/24 dev br0`,
      ...(topology.etcd.address6 === null ? [] : [`addr add ${NETWORK6}${SWITCH_BYTE}/64 dev br0 nodad`]),
      ...machines.flatMap(({ name }) => [`link set ${name} master br0`, `link set ${name} up`]),
    ],
    signal,
  );
  for (const { namespace, address, address6 } of machines) {
    const lines = ["link set lo up", `addr add ${address}/24 dev eth0`, "link set eth0 up"];
    await ipBatch(namespace, [...lines, `route add default via ${gateway}`, ...linesFor6(address6)], signal);
  }
  for (const { namespace } of topology.hosts) {
    const forward = "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding";
    await run(inNamespace(namespace, ["sh", "-c", forward]), {}, signal);
  }
}
