// A data path that carries nothing: it remembers what it was told, and does what a test orders.

import {
  DATAPATH_FEATURES,
  type Datapath,
  type DatapathCounters,
  type DatapathFeature,
  type DatapathListener,
  type DatapathOptions,
  type DatapathTunnel,
  type ForwardRoute,
  type OpenDatapath,
} from "../../src/base/datapath.ts";

export interface FakeDatapath {
  readonly open: OpenDatapath;
  /** What it was opened with, while it is open. */
  options(): DatapathOptions | null;
  /** What it is attached to. */
  tunnel(): DatapathTunnel | null;
  routes(): readonly ForwardRoute[];
  /** Every attempt to attach, successful or not. */
  attempts(): number;
  /** Opening, or attaching, fails with this errno until it is null again. */
  openError: string | null;
  attachError: string | null;
  /** Somebody gives the device another name. */
  rename(name: string): void;
  /** Packets are no longer carried. */
  end(errno: string): void;
  loseFeature(feature: DatapathFeature, errno: string): void;
  counters: DatapathCounters;
}

export const NO_COUNTERS: DatapathCounters = {
  sentPackets: 0,
  sentBytes: 0,
  sentMessages: 0,
  sentCalls: 0,
  receivedPackets: 0,
  receivedBytes: 0,
  receivedMessages: 0,
  receivedCalls: 0,
  tunReads: 0,
  tunWrites: 0,
  segmentedPackets: 0,
  coalescedPackets: 0,
  droppedNoRoute: 0,
  droppedTtlExceeded: 0,
  droppedSendFailed: 0,
  droppedOtherVersion: 0,
  droppedLinkLocal: 0,
  droppedMalformed: 0,
  droppedOversized: 0,
  droppedNoPeer: 0,
  droppedWrongSource: 0,
  droppedWriteFailed: 0,
  icmpSent: 0,
  icmpLimited: 0,
  fallbacks: 0,
};

interface Opened {
  readonly options: DatapathOptions;
  readonly listener: DatapathListener;
  tunnel: DatapathTunnel | null;
  routes: readonly ForwardRoute[];
}

/** What is asked about it is answered for the one that was attached last, or else for the one that is open longest. */
export function createFakeDatapath(): FakeDatapath {
  const open: Opened[] = [];
  let attempts = 0;
  let name: string | null = null;
  let off: ReadonlySet<DatapathFeature> = new Set();
  const current = () => open.find(({ tunnel }) => tunnel !== null) ?? open[0] ?? null;
  const fake: FakeDatapath = {
    openError: null,
    attachError: null,
    counters: NO_COUNTERS,
    options: () => current()?.options ?? null,
    tunnel: () => current()?.tunnel ?? null,
    routes: () => current()?.routes ?? [],
    attempts: () => attempts,
    rename(wanted) {
      name = wanted;
    },
    end: (errno) => current()?.listener.onEnded(errno),
    loseFeature(feature, errno) {
      off = new Set([...off, feature]);
      current()?.listener.onFeatureLost(feature, errno);
    },
    open(options, listener) {
      refuse(fake.openError);
      const one: Opened = { options, listener, tunnel: null, routes: [] };
      open.push(one);
      return datapathOf(one);
    },
  };
  const datapathOf = (one: Opened): Datapath => ({
    attach(wanted) {
      attempts += 1;
      refuse(fake.attachError);
      refuse(open.some(({ tunnel }) => tunnel !== null) ? "EBUSY" : null);
      one.tunnel = wanted;
      name = wanted.device;
    },
    detach() {
      one.tunnel = null;
      name = null;
    },
    setRoutes(wanted) {
      one.routes = wanted;
    },
    counters: () => fake.counters,
    features: () => new Set(DATAPATH_FEATURES.filter((name) => one.options.features.has(name) && !off.has(name))),
    device: () => name,
    bufferSize: () => one.options.bufferSize,
    [Symbol.dispose]() {
      one.tunnel = null;
      const position = open.indexOf(one);
      if (position !== -1) open.splice(position, 1);
    },
  });
  return fake;
}

function refuse(errno: string | null): void {
  if (errno !== null) throw Object.assign(new Error(`${errno}: refused`), { code: errno });
}
