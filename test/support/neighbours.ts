// Hosts with flanneld from its package beside programs that also want to rule the host's network: firewalld, Docker,
// systemd-networkd, NetworkManager. Each host is a Debian that systemd-nspawn boots.

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseSubnetEnv } from "../../lab/cni.ts";
import { createDebian, type Debian, prepareDebian } from "../../lab/debian.ts";
import { prepareLayer } from "../../lab/debian-layer.ts";
import type { Output } from "../../lab/run.ts";
import { seconds } from "../../src/base/brand.ts";
import type { Json } from "../../src/base/json.ts";
import { type Cluster, openCluster } from "./cluster.ts";
import { builtPackages, CACHE } from "./packages.ts";

const BASE = join(CACHE, "debian-bookworm");
/** In the name, so that another list is another layer. */
const LAYER = {
  packages: ["firewalld", "docker.io", "podman", "udev", "busybox-static", "network-manager"],
  services: ["firewalld", "docker.service", "docker.socket", "containerd", "NetworkManager"],
};
/** What containers in a container need beyond what systemd-nspawn allows by itself. */
const CONTAINERS = ["--system-call-filter=@keyring bpf"];
/** What of /proc and /sys the host may write to: Docker and networkd set what is below /proc/sys/net. */
const WRITABLE = "network";
export const SUBNET_FILE = "/run/flannel/subnet.env";
const LONG = seconds(120);

export interface NeighbourHost {
  readonly debian: Debian;
  /** Where its subnet.env is, seen from outside. */
  subnetFile(): string;
  /** "10.5.7.1/24" */
  subnet(): string;
  /** Runs a command on the host; throws when it fails. */
  on(...command: string[]): Promise<string>;
  attempt(...command: string[]): Promise<Output>;
  /** Puts a file there, with the directories above it. */
  put(path: string, content: string): void;
}

export interface NeighbourHosts extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly hosts: readonly NeighbourHost[];
}

/** The service runs and is ready on each; `environment` is what its file says beside where etcd is. */
export async function openNeighbourHosts(
  count: number,
  config: Json,
  environment: string,
  signal: AbortSignal,
): Promise<NeighbourHosts> {
  await prepareDebian(BASE, signal);
  const root = await prepareLayer(BASE, LAYER, CACHE, signal);
  const { deb } = await builtPackages(signal);
  const cluster = await openCluster(count, config, signal);
  try {
    const hosts = cluster.hosts.map((host) =>
      openHost(
        cluster.topology.own(
          createDebian(host, root, {
            flags: CONTAINERS,
            environment: { SYSTEMD_NSPAWN_API_VFS_WRITABLE: WRITABLE },
          }),
        ),
        signal,
      ),
    );
    for (const { debian } of hosts) {
      mkdirSync(join(debian.upper, "root"), { recursive: true });
      copyFileSync(deb, join(debian.upper, "root/flanneld.deb"));
    }
    await Promise.all(
      hosts.map((host) => start(host, `FLANNELD_ETCD_ENDPOINTS=${cluster.endpoint}\n${environment}`, signal)),
    );
    return { cluster, hosts, [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() };
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}

function openHost(debian: Debian, signal: AbortSignal): NeighbourHost {
  const subnetFile = () => debian.path(SUBNET_FILE);
  return {
    debian,
    subnetFile,
    subnet: () => parseSubnetEnv(readFileSync(subnetFile(), "utf8")).subnet,
    on: (...command) => debian.run(command, signal, LONG),
    attempt: (...command) => debian.attempt(command, signal, LONG),
    put(path, content) {
      const outside = debian.path(path);
      mkdirSync(dirname(outside), { recursive: true });
      writeFileSync(outside, content);
    },
  };
}

async function start({ debian, on, put }: NeighbourHost, environment: string, signal: AbortSignal): Promise<void> {
  await debian.boot(signal);
  await on("dpkg", "--force-unsafe-io", "--install", "/root/flanneld.deb");
  put("/etc/default/flanneld", environment);
  await on("systemctl", "start", "flanneld.service");
}
