// The command `ping`: whether peers answer on the underlay and through the overlay, how fast, and how large packets get
// there. It needs the right to send ICMP, and looks at routes and devices to know how large a packet may be.

import { describePeer } from "../backends/peer-addresses.ts";
import { seconds } from "../base/brand.ts";
import { FlannelError } from "../base/errors.ts";
import { FAMILIES } from "../base/ip.ts";
import type { Json } from "../base/json.ts";
import { pasteCommand } from "../base/paste.ts";
import { formatRemedy } from "../base/remedy.ts";
import { mapInParallel } from "../base/tasks.ts";
import { addressesOf, known } from "../check/facts.ts";
import { plural } from "../check/finding.ts";
import { integerOf, isOn, type VerbCall } from "../cli/verbs.ts";
import { judgePeer, type PeerJudgement, type PeerView, VERDICTS, worst } from "../icmp/peer-report.ts";
import type { UnderlayFacts } from "../net/kernel-net.ts";
import { describeSubnet, hostIp, type Lease } from "../subnet/lease.ts";
import type { BadRecord, LeaseList } from "../subnet/lease-store.ts";
import type { NetworkConfig } from "../subnet/network-config.ts";
import { familiesOf } from "../subnet/network-families.ts";
import { type AdmittedPeers, admitAsDaemon } from "./admitted.ts";
import { checkConfig } from "./check-config.ts";
import { backendName, byStart } from "./lease-report.ts";
import { lookAtStore } from "./look.ts";
import { lookAtPeer } from "./look-at-peer.ts";
import { chooseTargets, type Targets } from "./ping-targets.ts";
import { printJson, printLines, printTable } from "./print.ts";
import { createProgress } from "./progress.ts";
import { recordedUnderlay } from "./recorded-underlay.ts";
import { withStore } from "./session.ts";
import type { OperatorPorts, Screen } from "./verb.ts";

/** Hosts at a time, each with one packet on its way. */
const AT_ONCE = 64;

export async function pingPeers(call: VerbCall, ports: OperatorPorts, signal: AbortSignal): Promise<number> {
  const word = wordOf(call);
  const limit = seconds(integerOf(call, "wait", 1, 60));
  const count = integerOf(call, "count", 1, 100);
  using pinger = await ports.openPinger();
  using kernel = await ports.openKernel();
  const { config, list } = await withStore(call, ports, async (store) => {
    const { view, list } = await lookAtStore(store, signal);
    return { config: view.config && checkConfig(view.config.text), list };
  });
  const facts = await kernel.underlayFacts(FAMILIES, signal);
  const network = config?.kind === "valid" ? config.network : null;
  const { peers, leftOut } = chooseAsked({ word, facts, list, network }, call);
  const port = config?.kind === "valid" ? config.settings["Port"] : null;
  const carrier = typeof port === "number" ? `UDP port ${port}` : null;
  const families = network ? familiesOf(network) : FAMILIES;
  const options = { count, limit, hasDevice: true, families };
  const total = peers.length;
  const progress = createProgress((done) => `pinged ${done} of ${total} peers`, total, ports);
  const look = async (peer: Lease, scope: AbortSignal): Promise<Pinged> => {
    const ways = await lookAtPeer(peer, options, { pinger, kernel }, scope);
    progress.step();
    const view = { name: describePeer(peer), carrier, ways };
    return { ...view, peer, judgement: judgePeer(view) };
  };
  const pinged = await mapInParallel(peers, AT_ONCE, look, signal).finally(progress.end);
  const verdict = worst(pinged.map(({ judgement }) => judgement.verdict));
  if (call.json) printJson(ports.out, reportJson(pinged, leftOut, verdict));
  else printReport(ports.out, pinged, leftOut);
  return VERDICTS.indexOf(verdict);
}

/** Throws `usage.invalid` unless it is one of the two. */
function wordOf(call: VerbCall): string | null {
  const [word = null] = call.words;
  if ((word === null) === isOn(call, "all")) return word;
  const problem = "ping takes either a host or a subnet, or --all: flanneld ping NODE|SUBNET, flanneld ping --all";
  throw new FlannelError("usage.invalid", { problems: [problem] });
}

interface Asked {
  readonly word: string | null;
  readonly facts: UnderlayFacts;
  readonly list: LeaseList;
  readonly network: NetworkConfig | null;
}

/** Throws `usage.invalid` for this host itself, and `request.refused` when there is nobody. */
function chooseAsked({ word, facts, list, network }: Asked, { asking }: VerbCall): AdmittedPeers {
  const own = addressesOf(known(facts.interfaces));
  const listed = `${pasteCommand("leases", asking)} lists them`;
  const targets = chooseTargets(list.leases.toSorted(byStart), word, own);
  if (targets.kind === "self") {
    const problem = `${word} is this host itself: name another one, or --all for every peer`;
    throw new FlannelError("usage.invalid", { problems: [problem] });
  }
  if (targets.kind === "none") throw new FlannelError("request.refused", { reason: targets.reason, hint: listed });
  // Whoever is named is asked, whatever daemons make of the record.
  if (word !== null) return { peers: targets.peers, leftOut: [] };
  const admitted = admitAll(list, targets, { facts, network });
  if (admitted.peers.length > 0) return admitted;
  const count = plural(admitted.leftOut.length, "record is", "records are");
  const reason = admitted.leftOut.length === 0 ? NOBODY : `${NOBODY} that daemons send to, and ${count} left out`;
  const isEmpty = targets.peers.length === 0 && list.bad.length === 0;
  throw new FlannelError("request.refused", { reason, hint: isEmpty ? null : listed });
}

const NOBODY = "no other host has a lease in this network";

/** Those that a daemon would send to that starts here now. Other records of this host itself are neither. */
function admitAll(
  list: LeaseList,
  { peers, self }: Extract<Targets, { kind: "found" }>,
  { facts, network }: Pick<Asked, "facts" | "network">,
): AdmittedPeers {
  const leases = self === null ? peers : [self, ...peers];
  const underlay = network && recordedUnderlay(facts, self, familiesOf(network));
  const admitted = admitAsDaemon({ ...list, leases }, { self, underlay }, network);
  return { ...admitted, peers: admitted.peers.toSorted(byStart) };
}

interface Pinged extends PeerView {
  readonly peer: Lease;
  readonly judgement: PeerJudgement;
}

function printReport(out: Screen, pinged: readonly Pinged[], leftOut: readonly BadRecord[]): void {
  const rows = pinged.flatMap(({ peer, ways }) =>
    ways.map(({ over, to, rtt, sent, received, path }) => [
      describeSubnet(peer.subnet),
      hostIp(peer.attrs),
      over,
      to,
      rtt === null ? "-" : `${formatMillis(rtt)} ms`,
      `${Math.round(((sent - received) / sent) * 100)} %`,
      path === null ? "-" : String(path.mtu),
    ]),
  );
  printTable(out, ["SUBNET", "PUBLIC IP", "OVER", "ADDRESS", "RTT", "LOSS", "PATH MTU"], rows);
  const noted = pinged.flatMap(({ judgement: { verdict, sentence, ...how } }) => {
    const remedy = formatRemedy(how);
    if (sentence === null) return [];
    return [`${out.style.bad(verdict)}: ${sentence}`, ...(remedy === null ? [] : [`  ${remedy}`])];
  });
  printLines(out, noted);
  if (leftOut.length > 0) {
    const left = leftOut.map(({ key, reason }) => [key, reason]);
    printTable(out, ["RECORD", "WHY IT IS LEFT OUT"], left);
  }
  const fine = pinged.filter(({ judgement }) => judgement.verdict === "fine").length;
  const count = `${fine} of ${plural(pinged.length, "peer")} fine`;
  const left = leftOut.length === 0 ? "" : `, ${plural(leftOut.length, "record")} left out`;
  printLines(out, [out.style.faint(`${count}${left}`)]);
}

/** Three figures are enough. */
function formatMillis(time: number): string {
  return time >= 100 ? time.toFixed(0) : time >= 10 ? time.toFixed(1) : time.toFixed(2);
}

function reportJson(pinged: readonly Pinged[], leftOut: readonly BadRecord[], verdict: string): Json {
  return {
    verdict,
    peers: pinged.map(({ peer, ways, judgement }) => ({
      subnet: peer.subnet.v4,
      subnet6: peer.subnet.v6,
      publicIp: peer.attrs.publicIp,
      publicIpv6: peer.attrs.publicIpv6,
      nodeId: peer.attrs.nodeId,
      backend: backendName(peer.attrs.backendType),
      ...judgement,
      ways: ways.map(({ over, to, most, sent, received, rtt, reason, path }) => ({
        over,
        address: to,
        deviceMtu: most,
        sent,
        received,
        rttMs: rtt,
        reason,
        pathMtu: path?.mtu ?? null,
        isSilent: path?.isSilent ?? null,
      })),
    })),
    leftOut: leftOut.map(({ key, reason }) => ({ key, reason })),
  };
}
