// What the ways to a peer say together: a verdict, its cause in a sentence, and what to do. Pure.

import { FAMILIES, FAMILY_NAMES, type Family, familyOf } from "../base/ip.ts";
import { byHand, NO_REMEDY, type Remedy } from "../base/remedy.ts";
import type { WayReport } from "./way.ts";

/** In the order of how bad it is; also the exit status of a command. */
export const VERDICTS = ["fine", "degraded", "broken"] as const;
export type PeerVerdict = (typeof VERDICTS)[number];

export interface PeerWay extends WayReport {
  readonly over: "underlay" | "overlay";
}

export interface PeerJudgement extends Remedy {
  readonly verdict: PeerVerdict;
  /** Null when all is fine. */
  readonly sentence: string | null;
}

export interface PeerView {
  /** For people: "192.168.77.12 (10.5.2.0/24)". */
  readonly name: string;
  /** What carries the overlay's packets, for people: "UDP port 8472"; null when nothing does but the underlay. */
  readonly carrier: string | null;
  readonly ways: readonly PeerWay[];
}

const FINE: PeerJudgement = { verdict: "fine", sentence: null, ...NO_REMEDY };

export function judgePeer(peer: PeerView): PeerJudgement {
  return judgeReach(peer) ?? judgeSize(peer) ?? judgeLoss(peer) ?? FINE;
}

function judgeReach({ name, carrier, ways }: PeerView): PeerJudgement | null {
  const dead = ways.filter(isDead);
  const [first] = dead;
  if (!first) return null;
  const said = dead.find(({ reason }) => reason !== null)?.reason;
  const because = said ? ` (${said})` : "";
  if (dead.length === ways.length) {
    const remedy = dead.every(({ isUnsent }) => isUnsent)
      ? lookHere(first)
      : byHand("see whether the host is up, and whether a firewall on the way drops ICMP");
    return { verdict: "broken", sentence: `${name} does not answer at all${because}`, ...remedy };
  }
  const lost = deadFamily(ways);
  if (lost !== null) {
    const [silent, answering] = lost === "ipv4" ? ["IPv4", "IPv6"] : ["IPv6", "IPv4"];
    return {
      verdict: "broken",
      sentence: `${name} does not answer over ${silent}${because}, and does over ${answering}`,
      ...byHand(
        `see whether a firewall on the way or there drops ${silent}, and whether both hosts have a route and the right address of it`,
      ),
    };
  }
  const which = deadOverlay(ways);
  const unsent = dead.find(({ over, isUnsent }) => over === "overlay" && isUnsent);
  if (unsent) {
    const sentence = `${name} answers, but not through the overlay${which} (${unsent.reason}): most likely a route, a rule or a firewall of this host forbids it`;
    return { verdict: "broken", sentence, ...lookHere(unsent) };
  }
  if (dead.some(({ over }) => over === "overlay")) {
    const by = carrier ?? "the overlay";
    return {
      verdict: "broken",
      sentence: `${name} answers, but not through the overlay${which}${because}: ${by} is dropped on the way or there, or no flanneld runs there`,
      ...byHand(`let ${by} through in the firewalls of both hosts and between them, and see flanneld check there`),
    };
  }
  const sentence = `${name} answers through the overlay, but not on the underlay${because}: most likely a firewall drops ICMP`;
  return { verdict: "degraded", sentence, ...byHand("let ICMP echo and fragmentation-needed through") };
}

/** A route or a rule shows in ip route get, a firewall does not. */
function lookHere({ to }: PeerWay): Remedy {
  return byHand(`see what forbids it here: ip route get ${to}, ip rule, nft list ruleset`);
}

/** " over IPv6" when only that of IPv6 is dead, of an overlay of two; else nothing. */
function deadOverlay(ways: readonly PeerWay[]): string {
  const its = ways.filter(({ over }) => over === "overlay");
  const [first] = its.filter(isDead);
  if (!first || its.every(isDead)) return "";
  return ` over ${FAMILY_NAMES[familyOf(first.to)]}`;
}

/** The family in which nothing answers, neither on the underlay nor through the overlay, while in the other all does. */
export function deadFamily(ways: readonly PeerWay[]): Family | null {
  for (const family of FAMILIES) {
    const its = ways.filter(({ to }) => familyOf(to) === family);
    const others = ways.filter(({ to }) => familyOf(to) !== family);
    if (its.length > 0 && its.every(isDead) && others.length > 0 && !others.some(isDead)) return family;
  }
  return null;
}

function isDead({ received }: PeerWay): boolean {
  return received === 0;
}

function judgeSize({ name, ways }: PeerView): PeerJudgement | null {
  const narrow = ways.find(({ path, most }) => path !== null && most !== null && path.mtu < most);
  if (!narrow?.path) return null;
  const { over, path, most } = narrow;
  const what = path.isSilent ? "vanish without a word" : "do not pass";
  return {
    verdict: path.isSilent ? "broken" : "degraded",
    sentence: `packets of more than ${path.mtu} bytes to ${name} ${what} (${over}, whose device sends up to ${most})`,
    ...byHand(
      over === "underlay"
        ? `give all links on the way the same MTU, or set "MTU": ${path.mtu} in the Backend of the network config`
        : "see what the underlay says; if that is wide enough, restart flanneld there to give its device the MTU of the config",
    ),
  };
}

function judgeLoss({ name, ways }: PeerView): PeerJudgement | null {
  const lossy = ways.find(({ sent, received }) => received < sent);
  if (!lossy) return null;
  const { sent, received, over } = lossy;
  const sentence = `${sent - received} of ${sent} packets to ${name} were lost (${over})`;
  return {
    verdict: "degraded",
    sentence,
    ...byHand("look at the links between the hosts: ip -s link, and their switches"),
  };
}

export function worst(verdicts: readonly PeerVerdict[]): PeerVerdict {
  return verdicts.reduce(
    (most, verdict) => (VERDICTS.indexOf(verdict) > VERDICTS.indexOf(most) ? verdict : most),
    "fine",
  );
}
