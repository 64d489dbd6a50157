// What a daemon says of itself, held against what is so: the snapshot that /status gives must not be kinder, or sadder,
// than the kernel and the store.

import type { DaemonStatus } from "../../src/status/snapshot.ts";
import type { Lease } from "../../src/subnet/lease.ts";

export interface Truth {
  /** Its own record in the store. */
  readonly own: Lease;
  /** Whether somebody has put routes there that may stand in the place of ours. */
  readonly isObstructed: boolean;
}

/** Of a host that was left in peace: every sentence in which the snapshot is wrong. */
export function untruths(told: DaemonStatus, { own, isObstructed }: Truth): readonly string[] {
  const { lease, state, checks, peers, peerCounts, reconcile, network, underlay, backend } = told;
  const wrong: string[] = [];
  const claim = (isSo: boolean, sentence: string) => {
    if (!isSo) wrong.push(`it tells another ${sentence}`);
  };
  claim(lease?.subnet === own.subnet.v4 && lease.held, `lease: ${lease?.subnet}, held ${lease?.held}`);
  claim((state === "not ready") === checks.some(({ reason }) => reason !== null), `state: ${state}`);
  claim(network?.ipv4 === "10.5.0.0/16", `network: ${network?.ipv4}`);
  claim(underlay?.publicIp === own.attrs.publicIp, `public IP: ${underlay?.publicIp}`);
  claim((own.attrs.backendType || "udp") === backend?.type, `backend: ${backend?.type}`);
  const lost = peers.filter(({ state: one }) => one === "missing");
  claim(isObstructed || lost.length === 0, `state of ${lost.map(({ subnet, reason }) => `${subnet} (${reason})`)}`);
  const counted = peerCounts.programmed + peerCounts.missing + peerCounts.held;
  claim(counted === peers.length && peerCounts.refused === told.leftOut.length, "number of peers");
  const kinds = Object.entries(reconcile?.desired ?? {});
  const unlike = kinds.filter(([kind, count]) => reconcile?.actual[kind] !== count);
  claim(isObstructed || unlike.length === 0, `number of objects: ${JSON.stringify(reconcile)}`);
  return wrong;
}
