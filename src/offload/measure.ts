// Measures whether packets whose checksums are left to the network card arrive intact: to a few peers two probes at a time,
// alike but for that one has its checksum in it already. A firewall, a loss or a dead host meets both alike; only if the
// one is answered and the other is not, again and again, the checksums are what is wrong.

import { type Millis, millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import type { OpenPacketSocket, PacketSocket } from "../base/packet-socket.ts";
import type { Random } from "../base/random.ts";
import type { ChecksumPath, ChecksumPeer } from "../net/checksum-path.ts";
import { decodeAnswer, encodeProbe, LEFT_TO_DEVICE, type Probe } from "./probe.ts";

export interface MeasureDeps {
  readonly openPacketSocket: OpenPacketSocket;
  readonly clock: Clock;
  readonly random: Random;
}

export type Finding =
  | { readonly kind: "intact" }
  /** The peers that got nothing but what had its checksum already. */
  | { readonly kind: "corrupt"; readonly peers: readonly ChecksumPeer[] }
  /** Nobody has answered. */
  | { readonly kind: "silent"; readonly asked: number };

const MOST_PEERS = 3;
/** This often a peer must show the same before it is believed. */
const ROUNDS = 3;
/** In a round a probe is sent at these times until it is answered. */
const SENT_AT = [0, 300, 900] as const;
const ROUND = 2000;
/** Looks for answers begin so far from each other; most come at once. */
const FIRST_POLL = 20;

/** Throws an error whose code is the errno's name when no packets can be sent. */
export async function measureChecksums(path: ChecksumPath, deps: MeasureDeps, signal: AbortSignal): Promise<Finding> {
  using socket = deps.openPacketSocket(path.device, path.address, path.port);
  const asked = draw(path.peers, MOST_PEERS, deps.random);
  let suspects = asked;
  let isAnswered = false;
  for (let round = 0; round < ROUNDS && suspects.length > 0; round += 1) {
    const answered = await playRound(suspects, path, socket, deps, signal);
    isAnswered ||= answered.some(({ isComplete }) => !isComplete);
    suspects = suspects.filter((peer) => isSuspect(answered.filter((probe) => probe.peer === peer)));
  }
  if (suspects.length > 0) return { kind: "corrupt", peers: suspects };
  return isAnswered ? { kind: "intact" } : { kind: "silent", asked: asked.length };
}

/** By the probes that this peer has answered. */
function isSuspect(answered: readonly Probe[]): boolean {
  return answered.length > 0 && answered.every(({ isComplete }) => isComplete);
}

/** Returns the probes that were answered, once all were, or when the round is over. */
async function playRound(
  peers: readonly ChecksumPeer[],
  path: ChecksumPath,
  socket: PacketSocket,
  deps: MeasureDeps,
  signal: AbortSignal,
): Promise<readonly Probe[]> {
  const probes = peers.flatMap((peer) => probesTo(peer, deps.random));
  const waiting = new Set(probes);
  const start = deps.clock.monotonic();
  for (const turn of SENT_AT.keys()) {
    for (const probe of waiting) socket.send(encodeProbe(path, probe), probe.isComplete ? null : LEFT_TO_DEVICE);
    const until = start + (SENT_AT[turn + 1] ?? ROUND);
    while (waiting.size > 0 && deps.clock.monotonic() < until) {
      await deps.clock.sleep(pollTime(start, until, deps.clock.monotonic()), signal);
      strikeAnswered(waiting, socket);
    }
  }
  return probes.filter((probe) => !waiting.has(probe));
}

/** Half as long as was waited already: nobody waits for this, and a look every 20 ms is what an idle daemon would notice. */
function pollTime(start: number, until: number, now: number): Millis {
  return millis(Math.max(1, Math.min(until - now, Math.max(FIRST_POLL, (now - start) / 2))));
}

function strikeAnswered(waiting: Set<Probe>, socket: PacketSocket): void {
  for (let frame = socket.receive(); frame !== null; frame = socket.receive()) {
    const answer = decodeAnswer(frame);
    if (!answer) continue;
    for (const probe of waiting) {
      const { peer, sourcePort, sequence } = probe;
      const isIt = peer.ip === answer.peer && sourcePort === answer.sourcePort && sequence === answer.sequence;
      if (isIt) waiting.delete(probe);
    }
  }
}

/** Ports that nobody is given by the kernel, as it comes, and that no service has. */
function probesTo(peer: ChecksumPeer, random: Random): readonly Probe[] {
  const port = random.integer(61_000, 65_000);
  return [false, true].map((isComplete) => ({
    peer,
    sourcePort: port + Number(isComplete),
    sequence: random.integer(0, 0xffffffff),
    isComplete,
  }));
}

/** At most `count` of them, at random, so that one host that is different does not decide for ever. */
function draw<T>(items: readonly T[], count: number, random: Random): readonly T[] {
  const rest = [...items];
  const drawn: T[] = [];
  while (drawn.length < count && rest.length > 0) drawn.push(...rest.splice(random.integer(0, rest.length - 1), 1));
  return drawn;
}
