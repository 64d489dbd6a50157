// What the demo knows of each backend: how a packet travels with it, and where a person sees what flanneld has made.
// A backend is added by one entry here, once it is in the registry.

/** How the packets of a tunnel look between two hosts. */
export interface Tunnel {
  readonly device: string;
  readonly udpPort: number;
  /** What is in the UDP packet. */
  readonly content: string;
  /** Whether the device has a MAC that the peers know. */
  readonly hasMac: boolean;
}

export interface DemoBackend {
  readonly type: string;
  /** For --help. */
  readonly summary: string;
  /** Null when packets travel between the hosts as they are. */
  readonly tunnel: Tunnel | null;
  /** A command, run on a host, that shows what flanneld has made there. */
  readonly show: string;
}

export const DEMO_BACKENDS: readonly DemoBackend[] = [
  {
    type: "vxlan",
    summary: "in UDP, by the kernel's device flannel.1",
    tunnel: { device: "flannel.1", udpPort: 8472, content: "VXLAN 1", hasMac: true },
    show: "ip route show dev flannel.1",
  },
  {
    type: "host-gw",
    summary: "as they are, by plain routes",
    tunnel: null,
    show: "ip route show dev eth0 proto 70",
  },
  {
    type: "udp",
    summary: "in UDP, by flanneld itself and its device flannel0",
    tunnel: { device: "flannel0", udpPort: 8285, content: "IPv4", hasMac: false },
    show: "ip route show dev flannel0",
  },
];
