// The interface towards the other hosts: whether it is the right one, what it lets in, and how large packets may be.

import type { BackendDevice, HostView } from "../backends/backend.ts";
import {
  type Ip,
  NO_IPV4,
  type Prefix,
  type Prefix4,
  prefix4Contains,
  prefix4Overlaps,
  prefixLength,
} from "../base/ip.ts";
import { prefix6Contains, prefix6Overlaps } from "../base/ipv6.ts";
import { pasteCommand, shellWord } from "../base/paste.ts";
import { byCommand, byHand } from "../base/remedy.ts";
import type { InterfaceFacts } from "../net/kernel-net.ts";
import { type Link, type LinkName, markOf, type VxlanLink } from "../net/objects.ts";
import type { Underlay } from "../net/underlay.ts";
import { hasIpv4, hostIp } from "../subnet/lease.ts";
import { addressesOf, type Facts, type HostFacts, type PeerFacts, type WantedBackend } from "./facts.ts";
import { type Finding, fail, ok, plural, skip, some, warn } from "./finding.ts";
import { interfaceSysctl } from "./interface-sysctl.ts";
import { NOWHERE, noWay } from "./no-way.ts";

/** By what flanneld would choose now, and by what its device goes by already. */
export function checkInterface(facts: HostFacts): Finding {
  const { underlay, interfaces, links } = facts;
  if (!interfaces.known) return notLookedAt(interfaces);
  if (!links.known) return notLookedAt(links);
  if (!underlay.known) return fail(underlay.reason, byHand("name it with -iface=NAME or -public-ip=ADDRESS"));
  const devices = vxlanDevices(facts);
  const device = devices[0] ?? null;
  const used = device?.lower ?? underlay.value.link;
  const here = addressesOf(interfaces);
  const homeless = devices.find(({ local }) => local !== null && !here.includes(local));
  if (homeless) return lacksAddress(homeless, used);
  const { address, publicIp } = endOf(underlay.value);
  // An answer that leaves by another interface with this one's address is a matter of rp_filter.
  const own = device?.local ?? address;
  const astray = facts.peers.filter(({ way }) => leavesBy(way, used) && way?.source !== own);
  if (astray.length > 0) return leadsAstray(astray, used, facts);
  const link = interfaces.value.find(({ name }) => name === used);
  if (link && !link.up) return fail(`the interface ${used} is down`, byCommand(`ip link set ${shellWord(used)} up`));
  const unreachable = facts.peers.filter(({ way }) => way === null);
  if (unreachable.length > 0) return noWay(unreachable, used, facts, underlay.value);
  const announced = address === publicIp ? address : `${address}, announced as ${publicIp}`;
  return ok(`${used} (${announced}) leads to the other hosts`);
}

/** The interface is wrong when most peers are reached by one other; else the routes to these few are. */
function leadsAstray(astray: HostFacts["peers"], used: LinkName, { peers, routes }: HostFacts): Finding {
  const by = (dev: LinkName | undefined) => astray.filter(({ way }) => way?.dev === dev);
  const devices = [...new Set(astray.map(({ way }) => way?.dev))];
  const [dev] = devices.toSorted((a, b) => by(b).length - by(a).length);
  const ips = by(dev).map(({ lease }) => hostIp(lease.attrs));
  if (ips.length * 2 > peers.filter(({ way }) => way !== null).length) {
    const sentence = `packets to ${some(ips)} leave by ${dev}, and flanneld uses ${used}: the wrong interface`;
    return fail(
      sentence,
      byHand(`start flanneld with -iface=${dev}, or with FLANNELD_IFACE=${dev} in its environment file`),
    );
  }
  const own = routes.find((route) => route.dev === dev && ips.some((ip) => route.dst === `${ip}/32`));
  const remedy = own
    ? byCommand(`ip route del ${own.dst} dev ${shellWord(own.dev)}`)
    : byHand(`see which route or rule that is, and take it away: ip route get ${ips[0]}`);
  return fail(`the route to ${some(ips)} leaves by ${dev}, and flanneld uses ${used}`, remedy);
}

/** This host's end of the way to the others: that of IPv4, unless the network has none. */
function endOf({ address, publicIp, v6 }: Underlay): { readonly address: Ip; readonly publicIp: Ip } {
  return address === NO_IPV4 && v6 !== null ? v6 : { address, publicIp };
}

/** By another interface than `used`, and not by the overlay. */
function leavesBy(way: PeerFacts["way"], used: LinkName): boolean {
  return way !== null && way.dev !== used && !isFlannel(way.dev);
}

/** The kernel did not say what this is judged by. */
function notLookedAt({ reason }: { readonly reason: string }): Finding {
  return skip(`this was not looked at: ${reason}`);
}

function vxlanDevices(facts: HostFacts): readonly VxlanLink[] {
  return ownDevices(facts).flatMap(({ link }) => (link.type === "vxlan" ? [link] : []));
}

function lacksAddress({ name, local }: VxlanLink, used: LinkName): Finding {
  return fail(
    `${name} sends from ${local}, which no interface of this host has any more`,
    byHand(
      `give it back: ip addr add ${local}/LENGTH dev ${used}; or give ${used} another one, which flanneld follows`,
    ),
  );
}

/** With the link as it is. */
export interface OwnDevice extends BackendDevice {
  readonly link: Link;
}

type OwnFacts = Pick<Facts, "underlay" | "backends" | "isBackendKnown" | "links" | "prefix">;

/** Those of other networks, and of backends that this one had before, are none of its business. */
export function ownDevices({ underlay, backends, isBackendKnown, links, prefix }: OwnFacts): readonly OwnDevice[] {
  if (!underlay.known || !isBackendKnown || !links.known) return [];
  return devicesOf({ underlay: underlay.value, links: links.value, mark: markOf(prefix) }, backends);
}

/** Those that are there. */
export function devicesOf(host: HostView, backends: readonly WantedBackend[]): readonly OwnDevice[] {
  return backends.flatMap(({ backend }) =>
    backend.devices(host.underlay, backend.device(host)).flatMap((device) => {
      const link = host.links.find(({ name }) => name === device.name);
      return link && device.isIt(link) ? [{ ...device, link }] : [];
    }),
  );
}

function reversePathSysctl(dev: string): string {
  return interfaceSysctl("ipv4", dev, "rp_filter");
}

/** All that decide what these devices let in; why `all` is among them is said below. */
export function reversePathSysctls(devices: readonly LinkName[]): readonly string[] {
  return ["all", ...devices].map(reversePathSysctl);
}

/** Names that flanneld gives to its devices. */
export function isFlannel(dev: LinkName): boolean {
  return /^flannel(\.|-v6\.|-wg)?\d*$/.test(dev);
}

/** Kernel: the larger of "all" and the interface's own counts; 1 is strict, and 2, which is loose, is larger. */
export function checkReversePath(facts: HostFacts): Finding {
  const { sysctls, peers, underlay, reversePathDrops, routes, links } = facts;
  if (!facts.families.includes("ipv4")) return ok("rp_filter is of IPv4 alone, which the network has not");
  const all = Number(sysctls[reversePathSysctl("all")] ?? Number.NaN);
  if (Number.isNaN(all)) return skip(`${reversePathSysctl("all")} cannot be read`);
  if (!links.known) return notLookedAt(links);
  const modeOf = (dev: LinkName) => Math.max(all, Number(sysctls[reversePathSysctl(dev)] ?? 0));
  const dropped = reversePathDrops ? `; ${plural(reversePathDrops, "packet")} dropped so far` : "";
  const remedy = (dev: LinkName) => byCommand(`sysctl -w ${shellWord(`${reversePathSysctl(dev)}=2`)}`);
  const dev = underlay.known ? underlay.value.link : null;
  const astray = dev === null ? [] : peers.filter(({ way }) => leavesBy(way, dev));
  if (dev !== null && modeOf(dev) === 1 && astray.length > 0) {
    const sentence = `rp_filter is strict on ${dev}, and answers to ${namesOf(astray)} would leave by ${astray[0]?.way?.dev}: what they send is dropped${dropped}`;
    return fail(sentence, remedy(dev));
  }
  // Such a peer sends directly as well, so that nothing of it comes by the device.
  const isDirect = (subnet: Prefix4) => routes.some((route) => route.dst === subnet && route.dev === dev);
  const devices = ownDevices(facts)
    .filter(({ families }) => families.includes("ipv4"))
    .map(({ link }) => link.name);
  for (const name of devices.filter((name) => modeOf(name) === 1)) {
    const lost = peers.filter(({ lease: { subnet } }) => !leadsTo(subnet.v4, name, routes) && !isDirect(subnet.v4));
    if (lost.length === 0) continue;
    const sentence = `rp_filter is strict on ${name}, and the route to ${some(lost.map(({ lease }) => lease.subnet.v4))} does not lead there: what comes from there is dropped${dropped}`;
    return fail(sentence, remedy(name));
  }
  const strict = [dev, ...devices].filter((name): name is LinkName => name !== null && modeOf(name) === 1);
  if (strict.length === 0) return ok("rp_filter is not strict on flanneld's interfaces");
  return ok(`rp_filter is strict on ${strict.join(", ")}, and routes lead back where packets come from`);
}

function namesOf(peers: HostFacts["peers"]): string {
  return some(peers.map(({ lease }) => hostIp(lease.attrs)));
}

/** By the longest of the routes that hold the subnet. */
function leadsTo(subnet: Prefix4, dev: LinkName, routes: Facts["routes"]): boolean {
  const holding = routes.filter(({ dst }) => prefix4Contains(dst, subnet));
  const longest = Math.max(...holding.map(({ dst }) => prefixLength(dst)));
  return holding.some((route) => prefixLength(route.dst) === longest && route.dev === dev);
}

/** What subnet.env and the device say against what the interface carries. */
export function checkMtu(facts: Facts): Finding {
  const { underlay, backends, isBackendKnown, subnetFile, links } = facts;
  if (!underlay.known) return skip("without an interface there is no MTU to look at");
  const [wanted] = backends;
  if (!isBackendKnown || !wanted) return ok(`${underlay.value.link} carries ${underlay.value.mtu} bytes`);
  if (!links.known) return notLookedAt(links);
  const right = wanted.backend.mtu(underlay.value);
  const wrong = ownDevices(facts).filter(({ link, mtu }) => link.mtu !== mtu);
  const device = wrong.find(({ link, mtu }) => link.mtu > mtu) ?? wrong[0];
  if (device) {
    const { link, mtu } = device;
    const sentence = `${link.name} has an MTU of ${link.mtu}, and ${mtu} would fit ${underlay.value.link} (${underlay.value.mtu}) and the network config`;
    return (link.mtu > mtu ? fail : warn)(sentence, byCommand(`ip link set ${link.name} mtu ${mtu}`));
  }
  if (subnetFile.mtu !== null && subnetFile.mtu !== right) {
    const sentence = `${subnetFile.path} says an MTU of ${subnetFile.mtu}, and ${right} would fit ${underlay.value.link} (${underlay.value.mtu}) and the network config`;
    return (subnetFile.mtu > right ? fail : warn)(
      sentence,
      byHand("restart flanneld (systemctl restart flanneld), then the container runtime"),
    );
  }
  return ok(`packets of the overlay may have ${right} bytes, those of ${underlay.value.link} ${underlay.value.mtu}`);
}

/** Bridges of container runtimes hold this host's own part of the network. */
export function checkNetworks(facts: Facts): Finding {
  const { network, network6, interfaces, links } = facts;
  if (!network.known && network6 === null) return skip("the network is not known");
  if (!interfaces.known) return notLookedAt(interfaces);
  if (!links.known) return notLookedAt(links);
  const foreign = interfaces.value.filter(({ name }) => !isFlannel(name)).flatMap((one) => overlapsOf(one, facts));
  const [first] = foreign;
  if (first) {
    return fail(
      `the network ${first.ours} overlaps ${first.prefix} of ${first.dev}: packets to containers go astray`,
      byHand(
        `choose another Network (${pasteCommand("config set", facts.asking)}), or give that interface another address`,
      ),
    );
  }
  const wider = routesAround(facts, links.value.map(({ name }) => name).filter(isFlannel));
  const [route] = wider;
  if (route) {
    return warn(
      `the network ${route.ours} is a part of ${route.prefix}, which this host routes by ${route.dev}`,
      byHand(`see whether anybody there has an address in ${route.ours}: ip route get ${baseOf(route.ours)}`),
    );
  }
  const both = [...(network.known ? [network.value.network] : []), ...(network6 ? [network6.network] : [])];
  return ok(`${both.join(" and ")} ${both.length > 1 ? "overlap" : "overlaps"} no network of this host`);
}

function baseOf(network: Prefix): string {
  return network.slice(0, network.indexOf("/"));
}

/** Those of a wider network, which is others' as well; the default route is everybody's. */
function routesAround({ network, network6, routes, routes6 }: Facts, devices: readonly LinkName[]): readonly Overlap[] {
  const ours4 = network.known ? network.value.network : null;
  const ours6 = network6?.network ?? null;
  const around4 = routes.flatMap(({ dst: prefix, dev }) =>
    ours4 !== null && prefix4Contains(prefix, ours4) ? [{ ours: ours4, prefix, dev }] : [],
  );
  const around6 = routes6.flatMap(({ dst: prefix, dev }) =>
    ours6 !== null && prefix6Contains(prefix, ours6) ? [{ ours: ours6, prefix, dev }] : [],
  );
  return [...around4, ...around6].filter(
    ({ ours, prefix, dev }) =>
      prefixLength(prefix) > 0 &&
      prefixLength(prefix) < prefixLength(ours) &&
      dev !== NOWHERE &&
      !devices.includes(dev),
  );
}

interface Overlap {
  readonly ours: Prefix;
  readonly prefix: Prefix;
  readonly dev: LinkName;
}

function overlapsOf({ name: dev, addresses, addresses6 }: InterfaceFacts, facts: Facts): readonly Overlap[] {
  const { network, network6 } = facts;
  const own = ownSubnets(facts);
  const found: Overlap[] = [];
  for (const { prefix } of addresses) {
    const isOwn = own.v4.some((subnet) => prefix4Contains(subnet, prefix));
    if (!network.known || isOwn || !prefix4Overlaps(prefix, network.value.network)) continue;
    found.push({ ours: network.value.network, prefix, dev });
  }
  for (const { prefix } of addresses6) {
    const isOwn = own.v6.some((subnet) => prefix6Contains(subnet, prefix));
    if (network6 === null || isOwn || !prefix6Overlaps(prefix, network6.network)) continue;
    found.push({ ours: network6.network, prefix, dev });
  }
  return found;
}

/** By its subnet file, and, which is all where that is not the daemon's, by the records of its addresses. */
export function ownSubnets({ subnetFile, store, interfaces }: Pick<Facts, "subnetFile" | "store" | "interfaces">) {
  const here = addressesOf(interfaces);
  const leases = store.known ? store.value.list.leases.filter(({ attrs }) => here.includes(hostIp(attrs))) : [];
  const subnets = leases.map(({ subnet }) => subnet);
  return {
    v4: [...(subnetFile.subnet ? [subnetFile.subnet] : []), ...subnets.filter(hasIpv4).map(({ v4 }) => v4)],
    v6: [subnetFile.subnet6, ...subnets.map(({ v6 }) => v6)].filter((v6) => v6 !== null),
  };
}
