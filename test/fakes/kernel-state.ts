// The network state of a make-believe kernel, and what it does when something is made, changed or deleted. It follows the
// real one where a plan or the reconciler could tell the difference; test/contract/kernel-net.ts says where that is.

import type { Ip, Ipv4, Prefix, Prefix4 } from "../../src/base/ip.ts";
import { familyOf, prefix4, prefix4Address, prefix4Contains, prefixLength } from "../../src/base/ip.ts";
import { type Ipv6, type Prefix6, prefix6, prefix6Address, prefix6Contains } from "../../src/base/ipv6.ts";
import type { Mac } from "../../src/base/mac.ts";
import type { NetOp } from "../../src/net/diff.ts";
import {
  type Address,
  type Blackhole,
  belongsToAnother,
  FLANNEL_PROTOCOL,
  KERNEL_PROTOCOL,
  keyOf,
  type Link,
  type LinkName,
  linkChange,
  type NetObject,
  type Route,
  sameObject,
  type TunLink,
  type VxlanLink,
} from "../../src/net/objects.ts";

export type Entry = Exclude<NetObject, Link>;

export interface KernelState {
  /** An errno name when the operation is refused. */
  perform(op: NetOp): string | null;
  appendRoute(route: Route): void;
  setUp(dev: LinkName, up: boolean): void;
  links(): readonly { readonly index: number; readonly link: Link }[];
  /** Everything but links, in the order in which it was made. */
  entries(): readonly Entry[];
}

export function createKernelState(): KernelState {
  const links = new Map<LinkName, { readonly index: number; readonly link: Link }>();
  let entries: Entry[] = [];
  let lastIndex = 1;
  const without = (drop: (entry: Entry) => boolean) => {
    entries = entries.filter((entry) => !drop(entry));
  };

  function perform(op: NetOp): string | null {
    const { object } = op;
    if (object.kind === "link") return performOnLink(op, object);
    return object.kind === "blackhole" ? performOnBlackhole(op, object) : performOnDevice(op, object);
  }

  function performOnDevice(op: NetOp, object: Exclude<Entry, Blackhole>): string | null {
    if (!links.has(object.dev)) return op.op === "delete" ? null : "ENODEV";
    switch (op.op) {
      case "delete":
        return remove(object);
      case "create":
        return create(object, op);
      case "replace":
        if (object.kind !== "route" || op.previous.kind !== "route") return add(object);
        return familyOf(object.dst) === "ipv4"
          ? (prependRoute(object) ?? remove(op.previous))
          : replaceSiblings(object);
    }
  }

  function performOnBlackhole(op: NetOp, object: Blackhole): string | null {
    if (op.op === "delete") return remove(object);
    const present = entries.findIndex((entry) => keyOf(entry) === keyOf(object));
    if (present === -1) entries.push(object);
    else if (op.op === "replace") entries[present] = object;
    else if (!entries.some((entry) => sameObject(entry, object))) return "EEXIST";
    return null;
  }

  function performOnLink(op: NetOp, link: Link): string | null {
    switch (op.op) {
      case "delete":
        return deleteLink(link.name);
      case "create":
        return createLink(link);
      case "replace":
        if (op.previous.kind === "link" && linkChange(op.previous, link) === "set") return changeLink(link);
        if (link.type === "vxlan" && link.lower !== null && !links.has(link.lower)) return "ENODEV";
        deleteLink(link.name);
        return createLink(link);
    }
  }

  function createLink(link: Link): string | null {
    const present = links.get(link.name)?.link;
    // A TUN device that differs in what can be set is taken over.
    if (present?.type === "tun" && isTakenOver(present, link)) return changeLink(link);
    if (present) return sameObject(present, link) ? null : "EEXIST";
    const refusal = link.type === "vxlan" ? refusalOfVxlan(link) : null;
    if (refusal !== null) return refusal;
    const index = ++lastIndex;
    const mac = link.type === "tun" ? null : (link.mac ?? madeUpMac(index));
    links.set(link.name, { index, link: { ...link, mac, ...vxlanChanges(link, true) } });
    return null;
  }

  function refusalOfVxlan({ lower, vni, port, local }: VxlanLink): string | null {
    if (lower !== null && !links.has(lower)) return "ENODEV";
    // Kernel: a VNI can be had once for each family of the underlay.
    const isIpv6 = (ip: Ip | null) => ip !== null && familyOf(ip) === "ipv6";
    const twin = (other: Link) =>
      other.type === "vxlan" && other.vni === vni && other.port === port && isIpv6(other.local) === isIpv6(local);
    return [...links.values()].some(({ link }) => twin(link)) ? "EEXIST" : null;
  }

  function deleteLink(name: LinkName): null {
    if (!links.delete(name)) return null;
    without((entry) => isOn(entry, name));
    // Kernel: a vxlan device goes with the device it runs over.
    const upper = [...links.values()].filter(({ link }) => link.type === "vxlan" && link.lower === name);
    for (const { link } of upper) deleteLink(link.name);
    return null;
  }

  function changeLink(link: Link): string | null {
    const present = links.get(link.name);
    if (!present) return "ENODEV";
    setUp(link.name, link.up);
    const { mtu, up } = link;
    const mac = link.mac ?? present.link.mac;
    // Kernel: another MAC takes the neighbours away.
    if (mac !== present.link.mac) without((entry) => entry.kind === "neighbour" && entry.dev === link.name);
    const before = present.link.type === "vxlan" ? present.link.checksumOffload : null;
    const changes = { mtu, up, mac, ...tunChanges(link), ...vxlanChanges(link, before) };
    links.set(link.name, { index: present.index, link: { ...present.link, ...changes } });
    return null;
  }

  function setUp(dev: LinkName, up: boolean): void {
    const present = links.get(dev);
    if (!present || present.link.up === up) return;
    links.set(dev, { index: present.index, link: { ...present.link, up } });
    // Kernel: down takes routes, neighbours and IPv6 addresses; other addresses and forwarding entries stay, connected
    // routes come back.
    const goes = (entry: Entry) =>
      entry.kind === "route" ||
      entry.kind === "neighbour" ||
      (entry.kind === "address" && familyOf(entry.address) === "ipv6");
    if (!up) without((entry) => goes(entry) && isOn(entry, dev));
    else for (const address of entries.filter(isAddress).filter((entry) => entry.dev === dev)) connect(address);
  }

  function add(object: Entry): string | null {
    if (object.kind === "route") return createRoute(object);
    if (object.kind === "fdb" && links.get(object.dev)?.link.type !== "vxlan") return "EOPNOTSUPP";
    const key = keyOf(object);
    const position = entries.findIndex((entry) => keyOf(entry) === key);
    if (position === -1) entries.push(object);
    else entries[position] = object;
    if (object.kind === "address" && position === -1 && links.get(object.dev)?.link.up) connect(object);
    return null;
  }

  function createRoute(route: Route): string | null {
    const refusal = unreachable(route);
    if (refusal || entries.some((entry) => sameObject(entry, route))) return refusal;
    const key = keyOf(route);
    const position = entries.findIndex((entry) => keyOf(entry) === key);
    const present = entries[position];
    // The place of a route that is not ours is not taken.
    if (present?.kind === "route" && present.protocol !== FLANNEL_PROTOCOL) return "EEXIST";
    if (position === -1) entries.push(route);
    else entries[position] = route;
    return null;
  }

  /** Of IPv4 in front of whatever stands there. */
  function create(object: Entry, { retake }: { readonly retake?: true }): string | null {
    if (!retake || object.kind !== "route") return add(object);
    return familyOf(object.dst) === "ipv6" ? replaceSiblings(object) : prependRoute(object);
  }

  function prependRoute(route: Route): string | null {
    const refusal = unreachable(route);
    if (refusal === null && !entries.some((entry) => sameObject(entry, route))) entries.unshift(route);
    return refusal;
  }

  function appendRoute(route: Route): string | null {
    const refusal = unreachable(route);
    if (refusal === null && !entries.some((entry) => sameObject(entry, route))) entries.push(route);
    return refusal;
  }

  /** Kernel: in the place of all IPv6 routes of this destination and metric, whoever made them. */
  function replaceSiblings(route: Route): string | null {
    const refusal = unreachable(route);
    if (refusal !== null) return refusal;
    const key = keyOf(route);
    without((entry) => entry.kind === "route" && keyOf(entry) === key);
    entries.push(route);
    return null;
  }

  function unreachable({ dev, via, onlink }: Route): string | null {
    if (!links.get(dev)?.link.up) return "ENETDOWN";
    if (via === null || onlink) return null;
    const connected = (entry: Entry) =>
      entry.kind === "route" && entry.dev === dev && entry.via === null && covers(entry.dst, via);
    return entries.some(connected) ? null : "ENETUNREACH";
  }

  function remove(object: Entry): null {
    if (object.kind === "neighbour") {
      const key = keyOf(object);
      without((entry) => keyOf(entry) === key);
      return null;
    }
    const position = entries.findIndex((entry) => sameObject(entry, object));
    if (position !== -1) entries.splice(position, 1);
    if (object.kind === "address") {
      const route = connectedRoute(object);
      without((entry) => route !== null && sameObject(entry, route));
    }
    return null;
  }

  function connect(address: Address): void {
    const route = connectedRoute(address);
    if (route && !entries.some((entry) => sameObject(entry, route))) entries.push(route);
  }

  return {
    perform,
    setUp,
    appendRoute: (route) => void appendRoute(route),
    links: () => [...links.values()].toSorted((a, b) => a.index - b.index),
    entries: () => entries,
  };
}

/** A device of that name and kind that is not marked by another network's daemon. */
function isTakenOver(present: TunLink, link: Link): boolean {
  if (link.type !== "tun" || linkChange(present, link) === "recreate") return false;
  return !belongsToAnother(present, link.alias);
}

/** What of a TUN device can be set. An alias that is not named stays. */
function tunChanges(link: Link): Partial<Pick<TunLink, "alias" | "acceptLocal">> {
  if (link.type !== "tun") return {};
  const { alias, acceptLocal } = link;
  return alias === null ? { acceptLocal } : { alias, acceptLocal };
}

/** What of a vxlan device can be set. An offload that is not named stays as it is. */
function vxlanChanges(link: Link, before: boolean | null): Partial<Pick<VxlanLink, "checksumOffload">> {
  return link.type === "vxlan" ? { checksumOffload: link.checksumOffload ?? before } : {};
}

function isOn(entry: Entry, dev: LinkName): boolean {
  return entry.kind !== "blackhole" && entry.dev === dev;
}

function isAddress(entry: Entry): entry is Address {
  return entry.kind === "address";
}

function covers(prefix: Prefix, ip: Ip): boolean {
  if (familyOf(prefix) !== familyOf(ip)) return false;
  return familyOf(ip) === "ipv4"
    ? prefix4Contains(prefix as Prefix4, ip as Ipv4)
    : prefix6Contains(prefix as Prefix6, ip as Ipv6);
}

/** Kernel: an address with a network makes a route to it; a /32 has none, a /128 has. */
function connectedRoute({ dev, address }: Address): Route | null {
  const length = prefixLength(address);
  const fields = { kind: "route", dev, via: null, onlink: false, protocol: KERNEL_PROTOCOL } as const;
  if (familyOf(address) === "ipv6") return { ...fields, dst: prefix6(prefix6Address(address), length), metric: 256 };
  if (length === 32) return null;
  return { ...fields, dst: prefix4(prefix4Address(address), length), metric: 0 };
}

function madeUpMac(index: number): Mac {
  return `02:00:00:00:00:${(index & 255).toString(16).padStart(2, "0")}` as Mac;
}
