// The ways between two pods that are measured, and in which order. Pure.

/** Whose flanneld runs on a host: ours, or the one that PEER names. */
export type Program = "ours" | "peer";

export interface DaemonPath {
  readonly kind: "daemons";
  readonly name: string;
  readonly backend: "host-gw" | "vxlan" | "udp";
  /** On the host that sends, and on the one that receives. */
  readonly programs: readonly [Program, Program];
  /** With --peer-traffic on both hosts. */
  readonly isCounted?: true;
}

/** The same kernel objects, made with ip(8) and bridge(8): what a daemon's are compared with. */
export interface HandMadePath {
  readonly kind: "by hand";
  readonly name: string;
  readonly backend: "host-gw" | "vxlan";
}

export type DataPath = DaemonPath | HandMadePath;

/** What all others are compared with. */
export const REFERENCE = "vxlan";

/** Each beside the one that it is compared with, so that both see the same moods of the machine. */
const OWN: readonly DataPath[] = [
  { kind: "daemons", name: "host-gw", backend: "host-gw", programs: ["ours", "ours"] },
  { kind: "by hand", name: "host-gw by hand", backend: "host-gw" },
  { kind: "daemons", name: "vxlan", backend: "vxlan", programs: ["ours", "ours"] },
  { kind: "by hand", name: "vxlan by hand", backend: "vxlan" },
  { kind: "daemons", name: "udp", backend: "udp", programs: ["ours", "ours"] },
];

/** Measured only by name: what --peer-traffic costs, beside the same path without it. */
const ON_REQUEST: readonly DataPath[] = [
  { kind: "daemons", name: "host-gw counted", backend: "host-gw", programs: ["ours", "ours"], isCounted: true },
  { kind: "daemons", name: "vxlan counted", backend: "vxlan", programs: ["ours", "ours"], isCounted: true },
];

const WITH_PEER: readonly DataPath[] = [
  { kind: "daemons", name: "udp PEER", backend: "udp", programs: ["peer", "peer"] },
  { kind: "daemons", name: "udp ours to PEER", backend: "udp", programs: ["ours", "peer"] },
  { kind: "daemons", name: "udp PEER to ours", backend: "udp", programs: ["peer", "ours"] },
];

/** Throws a sentence when `only` names a path that there is not. */
export function planPaths(hasPeer: boolean, only: readonly string[] | null): readonly DataPath[] {
  const usual = hasPeer ? [...OWN, ...WITH_PEER] : OWN;
  if (only === null) return usual;
  const paths = [...usual, ...ON_REQUEST];
  const unknown = only.find((name) => !paths.some((path) => path.name === name));
  if (unknown !== undefined) {
    const hint = WITH_PEER.some(({ name }) => name === unknown) ? "set PEER to another flanneld for that; " : "";
    throw new Error(`there is no path "${unknown}": ${hint}there are ${paths.map(({ name }) => name).join(", ")}`);
  }
  return paths.filter(({ name }) => only.includes(name));
}

/** Every second round goes backwards: whatever grows or fades in the course of a round then falls on both ends alike. */
export function orderOf(paths: readonly DataPath[], round: number): readonly DataPath[] {
  return round % 2 === 0 ? paths : paths.toReversed();
}
