// Whether the kernel forwards what comes in for the overlay, by its settings. Pure: `flanneld check` and the running daemon
// judge by the same.

import { FAMILY_NAMES, type Family, type Prefix4, prefix4Contains } from "../base/ip.ts";
import { type Prefix6, prefix6Contains } from "../base/ipv6.ts";
import { shellWord } from "../base/paste.ts";
import { byCommand } from "../base/remedy.ts";
import type { InterfaceFacts } from "../net/kernel-net.ts";
import { type LinkName, markOf } from "../net/objects.ts";
import type { Facts } from "./facts.ts";
import { type Finding, fail, ok, skip, some } from "./finding.ts";
import { isFlannel, ownDevices, ownSubnets } from "./interface-checks.ts";
import { interfaceSysctl } from "./interface-sysctl.ts";

/** Those that the overlay's packets of a family come in by, and are there: flanneld's, the underlay's, those of pods. */
export type InputDevices = Readonly<Record<Family, readonly LinkName[]>>;

export interface ForwardingFacts {
  readonly families: readonly Family[];
  readonly devices: InputDevices;
  /** By name; missing when it cannot be read. */
  readonly sysctls: Readonly<Record<string, string>>;
}

const GENERAL: Readonly<Record<Family, string>> = {
  ipv4: "net.ipv4.ip_forward",
  ipv6: "net.ipv6.conf.all.forwarding",
};

/**
 * Kernel: IPv4 asks the interface that a packet has come in by and nothing else; `ip_forward` sets all of them, and what
 * later ones begin with. IPv6 asks `all`, and since Linux 6.17, where that is off, `force_forwarding` of the interface. Its
 * own `forwarding` decides only whether it goes by router advertisements (facts-forwarding.test.ts).
 */
const OF_INTERFACE: Readonly<Record<Family, string>> = { ipv4: "forwarding", ipv6: "force_forwarding" };

/** All that decide. */
export function forwardingSysctls({ families, devices }: Pick<ForwardingFacts, "families" | "devices">): string[] {
  return families.flatMap((family) => [GENERAL[family], ...devices[family].map((dev) => ofInterface(family, dev))]);
}

function ofInterface(family: Family, dev: LinkName): string {
  return interfaceSysctl(family, dev, OF_INTERFACE[family]);
}

/** Of the families that the network has: the first that fails. */
export function judgeForwarding(facts: ForwardingFacts): Finding {
  const findings = facts.families.map((family) => judgeFamily(family, facts));
  const worst =
    findings.find(({ verdict }) => verdict === "fail") ?? findings.find(({ verdict }) => verdict === "skip");
  return worst ?? ok(findings.map(({ sentence }) => sentence).join(" and "));
}

const CONSEQUENCE = "so that containers reach nobody on other hosts";

function judgeFamily(family: Family, { families, devices: all, sysctls }: ForwardingFacts): Finding {
  const general = GENERAL[family];
  const devices = all[family];
  const packets = families.length === 1 ? "packets" : `${FAMILY_NAMES[family]} packets`;
  const read = (dev: LinkName) => sysctls[ofInterface(family, dev)];
  if (sysctls[general] === "0") {
    if (devices.length > 0 && devices.every((dev) => read(dev) === "1")) {
      return ok(`${general} is off, and ${OF_INTERFACE[family]} on for ${devices.join(", ")}`);
    }
    return fail(
      `${general} is 0: this host forwards no ${packets}, ${CONSEQUENCE}`,
      byCommand(`sysctl -w ${general}=1`),
    );
  }
  const off = family === "ipv4" ? devices.filter((dev) => read(dev) === "0") : [];
  if (off.length > 0) {
    const names = off.map((dev) => ofInterface(family, dev));
    const sentence = `${some(names)} ${names.length === 1 ? "is" : "are"} 0: ${packets} that come in there are not forwarded, ${CONSEQUENCE}`;
    return fail(sentence, byCommand(`sysctl -w ${names.map((name) => shellWord(`${name}=1`)).join(" ")}`));
  }
  return sysctls[general] === undefined ? skip(`${general} cannot be read`) : ok(`${general} is on`);
}

/** A host's part of the network, in prefixes. */
export interface OwnSubnets {
  readonly v4: readonly Prefix4[];
  readonly v6: readonly Prefix6[];
}

/** Interfaces with an address of this host's part: bridges of container runtimes, or one for each pod. */
export function podDevices(interfaces: readonly InterfaceFacts[], { v4, v6 }: OwnSubnets): InputDevices {
  const others = interfaces.filter(({ name }) => !isFlannel(name));
  const named = (isPods: (one: InterfaceFacts) => boolean) => others.filter(isPods).map(({ name }) => name);
  return {
    ipv4: named(({ addresses }) =>
      addresses.some(({ prefix }) => v4.some((subnet) => prefix4Contains(subnet, prefix))),
    ),
    ipv6: named(({ addresses6 }) =>
      addresses6.some(({ prefix }) => v6.some((subnet) => prefix6Contains(subnet, prefix))),
    ),
  };
}

/** Those that packets of the overlay come in by, as far as they are there. */
function inputDevices(facts: InputFacts): InputDevices {
  const { interfaces } = facts;
  const pods = podDevices(interfaces.known ? interfaces.value : [], ownSubnets(facts));
  const of = (family: Family) => {
    const own = ownDevices(facts).filter(({ families }) => families.includes(family));
    return [...own.map(({ link }) => link.name), ...plainDevices(family, facts), ...pods[family]];
  };
  return { ipv4: of("ipv4"), ipv6: of("ipv6") };
}

/** The underlay where packets come as they are. */
function plainDevices(family: Family, facts: InputFacts): readonly LinkName[] {
  const { underlay, backends, isBackendKnown, links, prefix, peers, routes, routes6 } = facts;
  if (!underlay.known || !links.known) return [];
  const { link } = underlay.value;
  const host = { underlay: underlay.value, links: links.value, mark: markOf(prefix) };
  const hasNone = isBackendKnown && backends.every(({ backend }) => backend.device(host) === null);
  const subnets = new Set(peers.map(({ lease: { subnet } }) => (family === "ipv4" ? subnet.v4 : subnet.v6)));
  // A peer to which packets are routed directly sends so, too.
  const isDirect = [...routes, ...routes6].some(({ dst, dev }) => dev === link && subnets.has(dst));
  return hasNone || isDirect ? [link] : [];
}

type InputFacts = Pick<
  Facts,
  | "underlay"
  | "interfaces"
  | "backends"
  | "isBackendKnown"
  | "links"
  | "prefix"
  | "peers"
  | "routes"
  | "routes6"
  | "subnetFile"
  | "store"
>;

export function checkForwarding(facts: Facts): Finding {
  return judgeForwarding({ ...facts, devices: inputDevices(facts) });
}
