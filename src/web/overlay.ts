// The page's model: the overlay as etcd and the daemons that answer tell it, as one JSON. Types only. Moments are ISO 8601
// texts in UTC; null means that it is not known. What a host does not tell is unknown and never taken for broken.

import type { DaemonState, Moment, PeerCounts, PeerState } from "../status/snapshot.ts";

export interface Overlay {
  /** When it was put together; everything else is equal when nothing has changed. */
  readonly at: Moment;
  readonly store: StoreState;
  readonly network: NetworkFacts | null;
  readonly counts: OverlayCounts;
  /** By address of the subnet. */
  readonly hosts: readonly HostState[];
  /** Of each family that the network has, IPv4 first; none without a valid network config. */
  readonly maps: readonly AddressMap[];
  /** What leases have that has no place in the network. */
  readonly outside: readonly string[];
  /** Records in etcd that are no leases. */
  readonly bad: readonly { readonly key: string; readonly reason: string }[];
  readonly reach: Reach;
  /** Newest first. */
  readonly events: readonly OverlayEvent[];
}

export interface StoreState {
  readonly prefix: string;
  /** Why the last look failed; what is shown is then of `asOf`. */
  readonly trouble: string | null;
  readonly asOf: Moment | null;
  /** Why there is no network: no config, or one that is not valid. */
  readonly configProblem: string | null;
}

export interface NetworkFacts {
  /** IPv4 before IPv6. */
  readonly families: readonly {
    readonly network: string;
    readonly subnetLen: number;
    readonly subnetMin: string;
    readonly subnetMax: string;
  }[];
  readonly backend: string;
}

export interface OverlayCounts {
  readonly leased: number;
  readonly reserved: number;
  /** Null without a valid network config. */
  readonly free: number | null;
  readonly total: number | null;
  /** Hosts by what they say of themselves; `unknown` do not answer. Those that are awaited are in none. */
  readonly ready: number;
  readonly degraded: number;
  readonly notReady: number;
  readonly unknown: number;
}

/** `awaited`: reserved for a host that has not come yet. */
export type HostCondition = DaemonState | "unknown" | "awaited";

export interface HostState {
  /** The IPv4 subnet, or the IPv6 one of a host without IPv4; it is what tells hosts apart. */
  readonly subnet: string;
  readonly subnet4: string | null;
  readonly subnet6: string | null;
  /** Where it is asked, and what peers send to; an IPv6 address if it has no IPv4. */
  readonly publicIp: string;
  readonly nodeId: string | null;
  readonly backend: string;
  readonly kind: "leased" | "reserved";
  /** Null for a reservation, and while nobody has said. */
  readonly expires: Moment | null;
  /** Why daemons make no use of the record, as a clause. */
  readonly problem: string | null;
  readonly condition: HostCondition;
  /** Why it is not ready, what is degraded, or why it does not answer. */
  readonly reasons: readonly string[];
  /** When it last answered. */
  readonly heard: Moment | null;
  /** Of the last answer, also when that is old. */
  readonly daemon: DaemonFacts | null;
}

export interface DaemonFacts {
  readonly version: string;
  readonly started: Moment;
  readonly interface: string | null;
  readonly device: string | null;
  readonly mtu: number | null;
  readonly peers: PeerCounts;
  readonly repaired: number | null;
  /** Null where no device carries the traffic. */
  readonly traffic: TrafficFacts | null;
}

export interface TrafficFacts {
  /** Since the device was made. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Bytes per second, oldest first; the last is the newest. */
  readonly receiving: readonly number[];
  readonly sending: readonly number[];
}

/** `expiring`: ends soon because nobody renews it. `bad`: a record that is no lease takes it. */
export type CellKind = "leased" | "reserved" | "expiring" | "bad";

export interface AddressMap {
  readonly family: "IPv4" | "IPv6";
  readonly network: string;
  readonly bits: 32 | 128;
  /** The address of the first subnet that can be leased, as a number in decimal digits. */
  readonly first: string;
  readonly subnetLen: number;
  /** Subnets that can be leased. */
  readonly total: number;
  /** Subnets in one cell: 1, or a power of two where there are too many to draw. */
  readonly group: number;
  readonly cells: number;
  /** Those in which something is taken, by index; all others are free. */
  readonly taken: readonly MapCell[];
}

export interface MapCell {
  readonly index: number;
  /** Of the subnet, or of the one in the cell that most needs a look. */
  readonly kind: CellKind;
  /** How many of its subnets are taken. */
  readonly count: number;
  /** Some of them, as hosts have them; of bad records the subnet that they spoil. */
  readonly subnets: readonly string[];
}

/**
 * How one host has another. `absent`: it knows of no such peer. `awaited`: the other, or itself, has not come yet.
 * `unknown`: it does not answer.
 */
export type PairState = PeerState | "absent" | "awaited" | "unknown" | "self";

export interface Reach {
  /** A row for each host, of all hosts in order; null when there are too many: then rows are asked for one by one. */
  readonly rows: readonly ReachRow[] | null;
  /** Pairs on which not all is well, the worst first; some of them. */
  readonly troubles: readonly PairTrouble[];
  readonly troubleCount: number;
}

export interface ReachRow {
  readonly subnet: string;
  readonly states: readonly PairState[];
  /** Null without probes, or without an answer. */
  readonly rttSeconds: readonly (number | null)[] | null;
  /** What it has counted of each; null where its daemon does not count by peer. */
  readonly traffic: readonly (PairTraffic | null)[] | null;
}

/** Bytes: received from the other host's subnet, and sent to it. */
export type PairTraffic = readonly [received: number, sent: number];

/** A row with the hosts that it is about, in order. */
export interface HostRow extends ReachRow {
  readonly hosts: readonly Pick<HostState, "subnet" | "publicIp">[];
}

export interface PairTrouble {
  readonly from: string;
  readonly to: string;
  readonly state: PairState;
  readonly reason: string | null;
  readonly since: Moment | null;
}

export interface OverlayEvent {
  readonly at: Moment;
  readonly level: "error" | "warn" | "info";
  readonly kind: string;
  /** Its public IP. */
  readonly host: string;
  /** Of that host: tells its events apart, together with the daemon's start. */
  readonly seq: number;
  /** "subnet=10.5.7.0/24 reason=..." */
  readonly detail: string;
}
