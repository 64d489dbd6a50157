// Whether this host can run flanneld at all: rights, kernel, the port, and who runs already.

import { millis } from "../base/brand.ts";
import { formatDuration } from "../base/duration.ts";
import { prefix4Contains } from "../base/ip.ts";
import { prefix6Contains } from "../base/ipv6.ts";
import { byCommand, byHand, type Remedy } from "../base/remedy.ts";
import type { LinkName } from "../net/objects.ts";
import { isAnothers } from "./backend-check.ts";
import type { DaemonProcess, Facts } from "./facts.ts";
import { type Finding, fail, ok, skip, some, warn } from "./finding.ts";
import { ownDevices } from "./interface-checks.ts";

export function checkPrivileges({ user: { isRoot, netAdmin, netRaw } }: Facts): Finding {
  if (netAdmin && netRaw) return ok("this user may change the network and send pings");
  const missing = [...(netAdmin ? [] : ["CAP_NET_ADMIN"]), ...(netRaw ? [] : ["CAP_NET_RAW"])].join(" and ");
  if (!isRoot) {
    return skip(`this user lacks ${missing}, so that not everything can be looked at: run the same as root, with sudo`);
  }
  const remedy = byHand(
    "give it both: docker run --cap-add=NET_ADMIN --cap-add=NET_RAW, or CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW in the unit",
  );
  const sentence = `root lacks ${missing} here`;
  return netAdmin ? warn(`${sentence}: flanneld works, and nothing can be pinged`, remedy) : fail(sentence, remedy);
}

export function checkKernel({ vxlan, tun, backends, isBackendKnown }: Facts): Finding {
  const types = backends.map(({ backend }) => backend.type);
  const found: Finding[] = [];
  if (types.includes("vxlan")) {
    if (!vxlan.known) found.push(skip(`whether this kernel has vxlan devices is not known: ${vxlan.reason}`));
    else if (!vxlan.value)
      found.push(lack("this kernel has no vxlan devices: its module vxlan is missing", byCommand("modprobe vxlan")));
  }
  if (types.includes("udp")) {
    if (!tun.known) found.push(skip(`whether TUN devices can be had is not known: ${tun.reason}`));
    else if (tun.value !== null)
      found.push(lack(`there are no TUN devices for the backend udp: ${tun.value}`, remedyOfTun(tun.value)));
  }
  const [first] = found.toSorted((a, b) => SEVERITY[b.verdict] - SEVERITY[a.verdict]);
  return first ?? ok(`what ${enumerate(types)} of the kernel is there`);

  // As long as the backend is not known it may be another.
  function lack(sentence: string, remedy: Remedy): Finding {
    return isBackendKnown ? fail(sentence, remedy) : warn(sentence, remedy);
  }
}

function remedyOfTun(reason: string): Remedy {
  if (reason.endsWith("is missing")) return byCommand("modprobe tun");
  return byHand("give it the device: docker run --device=/dev/net/tun, or DeviceAllow=/dev/net/tun rw in the unit");
}

/** "vxlan needs", "vxlan, host-gw and udp need" */
function enumerate(types: readonly string[]): string {
  const [last = "", ...others] = types.toReversed();
  return others.length === 0 ? `${last} needs` : `${others.toReversed().join(", ")} and ${last} need`;
}

const SEVERITY: Readonly<Record<Finding["verdict"], number>> = { fail: 3, warn: 2, skip: 1, ok: 0 };

/** Several networks on one host are allowed, each with a daemon of its own. */
export function checkDaemon(facts: Facts): Finding {
  const { daemons, prefix, adopted } = facts;
  if (!daemons.known) return skip(`whether flanneld runs here is not known: ${daemons.reason}`);
  const ours = daemons.value.filter((one) => one.prefix === prefix);
  const [first, extra] = ours;
  if (extra) {
    return fail(
      `more than one flanneld runs here for ${prefix}, and they undo each other's work: ${some(ours.map(describeDaemon), 5)}`,
      byCommand(`kill ${extra.pid}`),
    );
  }
  const others = daemons.value.filter((one) => one.prefix !== prefix).map(describeDaemon);
  if (!first) return checkAbsence(facts, others);
  const taken = adopted.length > 0 ? `, and is looked at with its ${adopted.join(", ")}` : "";
  const beside = others.length > 0 ? `; beside it: ${some(others, 5)}` : "";
  const end = `a second one for its network would be refused${beside}`;
  if (first.pid !== null) return ok(`process ${first.pid} runs here${taken}; ${end}`);
  return ok(
    `a flanneld runs here whose process cannot be seen, as from a container with PIDs of its own: it holds the lock of ${prefix}, and its flags are not known; ${end}`,
  );
}

/** Where it has never run, or is not started yet after a boot, that is as it should be. */
function checkAbsence(facts: Facts, others: readonly string[]): Finding {
  const beside = others.length > 0 ? ` for ${facts.prefix}; others do: ${some(others, 5)}` : "";
  const end = describeEnd(facts);
  const traces = tracesOf(facts, others.length === 0);
  // Whether what has ended it is mended is for the other checks to say.
  if (traces.length === 0) return ok(`no flanneld runs here${beside}${end ?? ""}`);
  const are = `${traces.join(" and ")} ${traces.length === 1 ? "is" : "are"}`;
  const how =
    end ?? (facts.wasKilled ? "; it was killed: journalctl -u flanneld" : "; how it ended: journalctl -u flanneld");
  return warn(
    `no flanneld runs here${beside}, and one did: ${are} still there, but hosts that come and go are no longer followed${how}`,
    others.length === 0 ? byCommand("systemctl start flanneld") : byHand("start the flanneld of this network again"),
  );
}

function describeEnd({ lastEnd, now }: Facts): string | null {
  if (lastEnd === null) return null;
  const ago = formatDuration(millis(Math.max(0, now - lastEnd.at)));
  return `; the last one ended ${ago} ago: ${lastEnd.message}`;
}

/** What a daemon of this network has made since the host was switched on. Another network may have the subnet file. */
function tracesOf(facts: Facts, isAlone: boolean): readonly string[] {
  const { subnetFile, network, network6 } = facts;
  const { path, subnet, subnet6, isOfThisBoot } = subnetFile;
  const isKnown = network.known || network6 !== null;
  const isInside =
    (subnet !== null && network.known && prefix4Contains(network.value.network, subnet)) ||
    (subnet6 !== null && network6 !== null && prefix6Contains(network6.network, subnet6));
  const isLeft = (subnet ?? subnet6) !== null && isOfThisBoot && (isKnown ? isInside : isAlone);
  // What a running flanneld has is another network's: none of this one runs.
  const isTheirs = (name: LinkName) => facts.carried.includes(name) || isAnothers(facts, name);
  const left = ownDevices(facts).filter(({ link }) => !isTheirs(link.name));
  return [...left.map(({ link }) => link.name), ...(isLeft ? [path] : [])];
}

function describeDaemon({ pid, prefix }: DaemonProcess): string {
  return `${pid === null ? "one that cannot be seen" : `process ${pid}`} (${prefix === null ? "for a network that is not known" : `for ${prefix}`})`;
}

/** Of this network. What a process that cannot be seen has is no visible one's. */
function mayHold(daemon: DaemonProcess, holder: string, prefix: string): boolean {
  if (daemon.prefix !== null && daemon.prefix !== prefix) return false;
  if (daemon.pid !== null) return holder.startsWith(`process ${daemon.pid} `);
  return daemon.prefix === prefix && !holder.startsWith("process ");
}

/** A port that our own device or daemon has is as it should be. */
export function checkPort({ ports, backends, links, daemons, prefix }: Facts): Finding {
  const wanted = backends.flatMap(({ port }) => (port === null ? [] : [port]));
  if (wanted.length === 0) return ok("the backend needs no port");
  // Kernel: vxlan devices share the socket of a port. Whether ours can have it with them is what the check of the backend
  // says.
  const isVxlan = (port: number) => backends.some((one) => one.port === port && one.backend.type === "vxlan");
  const isShared = (port: number) =>
    isVxlan(port) &&
    holderOf(port)?.startsWith("process ") === false &&
    (links.known ? links.value : []).some((link) => link.type === "vxlan" && link.port === port);
  const isOurs = (port: number) =>
    isShared(port) ||
    (!isVxlan(port) && daemons.known && daemons.value.some((daemon) => mayHold(daemon, holderOf(port) ?? "", prefix)));
  const holderOf = (port: number) => ports.find((one) => one.port === port)?.holder ?? null;
  const taken = wanted.find((port) => holderOf(port) !== null && !isOurs(port));
  if (taken === undefined) return ok(`nobody else has UDP port ${wanted.join(" or ")}`);
  // It may be our own device that has it.
  if (!links.known) return skip(`whose UDP port ${taken} is was not looked at: ${links.reason}`);
  const holder = holderOf(taken) ?? "somebody";
  const pid = /^process (\d+)/.exec(holder)?.[1];
  // Whether that program may be ended is not for us to say.
  const stop = pid === undefined ? "" : `stop that program (kill ${pid}), or `;
  return fail(
    `UDP port ${taken}, which flanneld needs, is taken by ${holder}`,
    byHand(`${stop}set another "Port" in the Backend of the network config`),
  );
}
