// Facts -> the page's model. Pure.

import type { EpochMillis } from "../base/brand.ts";
import { minutes } from "../base/brand.ts";
import type { PublicStatus } from "../status/report.ts";
import { hasIpv4, hostIp, isForLater } from "../subnet/lease.ts";
import { mapAddresses } from "./address-map.ts";
import type { Facts, HostAnswer, LookedLease, StoreLook } from "./facts.ts";
import { heardStatus, nameOf, silenceOf } from "./heard.ts";
import { mergeEvents } from "./merge-events.ts";
import type { DaemonFacts, HostCondition, HostState, NetworkFacts, Overlay, OverlayCounts } from "./overlay.ts";
import { describeReach } from "./reach.ts";

/** A healthy host renews an hour before the end, unless it was told otherwise. */
const EXPIRING = minutes(30);

export function buildOverlay(facts: Facts): Overlay {
  const { look, now, answers } = facts;
  const hosts = (look?.leases ?? []).map((one) => hostState(one, answers.get(hostIp(one.lease.attrs))));
  const isExpiring = ({ expires }: HostState) => expires !== null && Date.parse(expires) - now < EXPIRING;
  return {
    at: moment(now),
    store: {
      prefix: facts.prefix,
      trouble: facts.storeTrouble,
      // Of every look it would be another, and nothing has changed.
      asOf: look && facts.storeTrouble !== null ? moment(look.at) : null,
      configProblem: look?.configProblem ?? null,
    },
    network: look?.network ? networkFacts(look.network) : null,
    counts: countAll(hosts, look),
    hosts,
    ...(look?.network ? mapAddresses(look.network, hosts, look.spoilt, isExpiring) : { maps: [], outside: [] }),
    bad: look?.bad ?? [],
    reach: describeReach(hosts, answers),
    events: mergeEvents(answers),
  };
}

/** The model without the moment at which it was made: equal ones show the same. */
export function fingerprint({ at: _, ...shown }: Overlay): string {
  return JSON.stringify(shown);
}

function networkFacts({ ipv4, ipv6, backend }: NonNullable<StoreLook["network"]>): NetworkFacts {
  const families = [...(ipv4 ? [ipv4] : []), ...(ipv6 ? [ipv6] : [])];
  return {
    families: families.map(({ network, subnetLen, subnetMin, subnetMax }) => {
      return { network, subnetLen, subnetMin, subnetMax };
    }),
    backend,
  };
}

function hostState({ lease, term, problem }: LookedLease, answer: HostAnswer | undefined): HostState {
  const { subnet, attrs } = lease;
  const name = nameOf(subnet);
  const heard = heardStatus(name, answer);
  return {
    subnet: name,
    subnet4: hasIpv4(subnet) ? subnet.v4 : null,
    subnet6: subnet.v6,
    publicIp: hostIp(attrs),
    nodeId: attrs.nodeId,
    // Compat: records of the udp backend have no type.
    backend: attrs.backendType || "udp",
    kind: term.kind === "reserved" ? "reserved" : "leased",
    expires: term.kind === "reserved" ? null : (expiryByHost(name, heard) ?? expiryOf(term)),
    problem,
    ...conditionOf(isForLater({ term, attrs }), name, answer),
    // As above: of a host that answers it is now.
    heard: answer?.heard && answer.trouble !== null ? moment(answer.heard) : null,
    daemon: answer?.status && (heard || answer.trouble !== null) ? daemonFacts(answer.status, answer.rates) : null,
  };
}

/** `isReserved`: for a host that had not come when the record was written. */
function conditionOf(
  isReserved: boolean,
  name: string,
  answer: HostAnswer | undefined,
): Pick<HostState, "condition" | "reasons"> {
  const isSilent = !answer?.status || answer.trouble !== null;
  if (isReserved && isSilent) return { condition: "awaited", reasons: ["its host has not come yet"] };
  const heard = heardStatus(name, answer);
  if (heard) return { condition: heard.state, reasons: reasonsOf(heard) };
  const silence = silenceOf(name, answer);
  return { condition: "unknown", reasons: silence === null ? [] : [silence] };
}

/** To the second: it is reckoned anew with each answer. */
function expiryByHost(name: string, status: PublicStatus | null): string | null {
  const lease = status?.lease;
  if (!lease || (lease.subnet ?? lease.subnet6) !== name || lease.expires === null) return null;
  return toSeconds(Date.parse(lease.expires) as EpochMillis);
}

function expiryOf(term: LookedLease["term"]): string | null {
  return term.kind === "until" ? toSeconds(term.at) : null;
}

function toSeconds(at: EpochMillis): string {
  return moment((Math.round(at / 1000) * 1000) as EpochMillis);
}

function reasonsOf({ checks, degraded }: PublicStatus): readonly string[] {
  return [...checks, ...degraded].flatMap(({ name, reason }) => (reason === null ? [] : [`${name}: ${reason}`]));
}

function daemonFacts(status: PublicStatus, rates: HostAnswer["rates"]): DaemonFacts {
  const { process, underlay, backend, device, peerCounts, reconcile } = status;
  return {
    version: process.version,
    started: process.started,
    interface: underlay?.interface ?? null,
    device: backend?.device ?? null,
    mtu: backend?.mtu ?? null,
    peers: peerCounts,
    repaired: reconcile?.repaired ?? null,
    traffic: device && {
      receivedBytes: device.traffic.receivedBytes,
      sentBytes: device.traffic.sentBytes,
      receiving: rates.map(({ receiving }) => receiving),
      sending: rates.map(({ sending }) => sending),
    },
  };
}

function countAll(hosts: readonly HostState[], look: StoreLook | null): OverlayCounts {
  const inCondition = (wanted: HostCondition) => hosts.filter(({ condition }) => condition === wanted).length;
  const reserved = hosts.filter(({ kind }) => kind === "reserved").length;
  return {
    leased: hosts.length - reserved,
    reserved,
    free: look?.free ?? null,
    total: look?.total ?? null,
    ready: inCondition("ready"),
    degraded: inCondition("degraded"),
    notReady: inCondition("not ready"),
    unknown: inCondition("unknown"),
  };
}

function moment(at: EpochMillis): string {
  return new Date(at).toISOString();
}
