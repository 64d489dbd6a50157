// What the program says to its operator. A message is constant; what varies is in the fields, whose names are agreed
// here so that a grep or a query written once keeps working.

export interface LogFields {
  readonly subnet?: string;
  /** The subnet before this one. */
  readonly former?: string;
  readonly network?: string;
  readonly peer?: string;
  readonly peers?: number;
  readonly publicIp?: string;
  readonly publicIpv6?: string;
  /** A node id. */
  readonly node?: string;
  readonly dev?: string;
  readonly backend?: string;
  readonly mac?: string;
  readonly mtu?: number;
  readonly rev?: string;
  readonly op?: string;
  readonly ops?: number;
  readonly failed?: number;
  readonly errno?: string;
  /** In lines for people it stands as duration=15m00s. */
  readonly ms?: number;
  readonly key?: string;
  readonly path?: string;
  readonly endpoint?: string;
  readonly expires?: string;
  readonly certificate?: string;
  readonly days?: number;
  readonly count?: number;
  /** Lines like this that were not written since the last, because there were so many. */
  readonly unsaid?: number;
  /** Names, separated by commas. */
  readonly changed?: string;
  readonly pid?: number;
  readonly signal?: string;
  readonly version?: string;
  /** Of a data path: what is used to be fast, and what is not. */
  readonly on?: string;
  readonly off?: string;
  readonly feature?: string;
  /** Of a socket, in bytes. */
  readonly buffer?: number;
  readonly port?: number;
  /** What it has carried, and in how many pieces. */
  readonly packets?: number;
  readonly bytes?: number;
  readonly messages?: number;
  readonly calls?: number;
  readonly packetsPerCall?: number;
  readonly reads?: number;
  readonly writes?: number;
  readonly segmented?: number;
  readonly coalesced?: number;
  /** What it has dropped, by reason. */
  readonly noRoute?: number;
  readonly ttlExceeded?: number;
  readonly sendFailed?: number;
  readonly otherVersion?: number;
  readonly linkLocal?: number;
  readonly malformed?: number;
  readonly oversized?: number;
  readonly noPeer?: number;
  readonly wrongSource?: number;
  readonly writeFailed?: number;
  readonly icmpSent?: number;
  readonly icmpLimited?: number;
  readonly fallbacks?: number;
  /** Of the reconciler: passes, and operations that undid what somebody else did. */
  readonly passes?: number;
  readonly repaired?: number;
  /** What was repaired, as in "route 3, fdb 1". */
  readonly kinds?: string;
  /** Of the firewall: the tool, how many rules, one of them as the tool writes it, and how often it looked and wrote. */
  readonly tool?: string;
  readonly rules?: number;
  readonly rule?: string;
  readonly checks?: number;
  readonly written?: number;
  /** Of what is measured. */
  readonly verdict?: string;
  /** Of what readiness is made: "lease", "etcd". */
  readonly check?: string;
  readonly reason?: string;
  readonly hint?: string;
}

/** `error` a person must act; `warn` will become one if it lasts; `info` the state changed; `debug` the rest. */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
}

/** Of a command, which says what there is to say by itself. */
export const SILENT: Logger = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };
