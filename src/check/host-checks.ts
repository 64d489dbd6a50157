// Whether this host can run flanneld at all: rights, kernel, the port, and who runs already.

import { millis } from "../base/brand.ts";
import { formatDuration } from "../base/duration.ts";
import type { DaemonProcess, Facts } from "./facts.ts";
import { type Finding, fail, ok, skip, some, warn } from "./finding.ts";

export function checkPrivileges({ user: { isRoot, netAdmin, netRaw } }: Facts): Finding {
  if (netAdmin && netRaw) return ok("this user may change the network and send pings");
  const missing = [...(netAdmin ? [] : ["CAP_NET_ADMIN"]), ...(netRaw ? [] : ["CAP_NET_RAW"])].join(" and ");
  if (!isRoot) {
    return skip(
      `this user lacks ${missing}, so that not everything can be looked at: run it as root (sudo flanneld check)`,
    );
  }
  const remedy = `docker run --cap-add=NET_ADMIN --cap-add=NET_RAW, or CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW in the unit`;
  const sentence = `root lacks ${missing} here`;
  return netAdmin ? warn(`${sentence}: flanneld works, and nothing can be pinged`, remedy) : fail(sentence, remedy);
}

export function checkKernel({ vxlan, tun, backends, isBackendKnown }: Facts): Finding {
  const types = backends.map(({ backend }) => backend.type);
  const found: Finding[] = [];
  if (types.includes("vxlan")) {
    if (!vxlan.known) found.push(skip(`whether this kernel has vxlan devices is not known: ${vxlan.reason}`));
    else if (!vxlan.value)
      found.push(lack("this kernel has no vxlan devices: its module vxlan is missing", "modprobe vxlan"));
  }
  if (types.includes("udp")) {
    if (!tun.known) found.push(skip(`whether TUN devices can be had is not known: ${tun.reason}`));
    else if (tun.value !== null)
      found.push(lack(`there are no TUN devices for the backend udp: ${tun.value}`, "modprobe tun"));
  }
  const [first] = found.toSorted((a, b) => SEVERITY[b.verdict] - SEVERITY[a.verdict]);
  return first ?? ok(`what ${enumerate(types)} of the kernel is there`);

  // As long as the backend is not known it may be another.
  function lack(sentence: string, remedy: string): Finding {
    return isBackendKnown ? fail(sentence, remedy) : warn(sentence, remedy);
  }
}

/** "vxlan needs", "vxlan, host-gw and udp need" */
function enumerate(types: readonly string[]): string {
  const [last = "", ...others] = types.toReversed();
  return others.length === 0 ? `${last} needs` : `${others.toReversed().join(", ")} and ${last} need`;
}

const SEVERITY: Readonly<Record<Finding["verdict"], number>> = { fail: 3, warn: 2, skip: 1, ok: 0 };

/** Several networks on one host are allowed, each with a daemon of its own. */
export function checkDaemon({ daemons, prefix, adopted, lastEnd, now }: Facts): Finding {
  if (!daemons.known) return skip(`whether flanneld runs here is not known: ${daemons.reason}`);
  const ours = daemons.value.filter((one) => one.prefix === prefix);
  const [first, extra] = ours;
  if (extra) {
    return fail(
      `more than one flanneld runs here for ${prefix}, and they undo each other's work: ${some(ours.map(describeDaemon), 5)}`,
      `kill ${extra.pid}`,
    );
  }
  const others = daemons.value.filter((one) => one.prefix !== prefix).map(describeDaemon);
  if (!first) {
    // Whether that is mended is for the other checks to say.
    const ago = formatDuration(millis(Math.max(0, now - (lastEnd?.at ?? now))));
    const end = lastEnd ? `; the last one ended ${ago} ago: ${lastEnd.message}` : "";
    if (others.length === 0) return ok(`no flanneld runs here${end}`);
    return ok(`no flanneld runs here for ${prefix}; others do: ${some(others, 5)}${end}`);
  }
  const taken = adopted.length > 0 ? `, and is looked at with its ${adopted.join(", ")}` : "";
  const beside = others.length > 0 ? `; beside it: ${some(others, 5)}` : "";
  return ok(`process ${first.pid} runs here${taken}; a second one for its network would be refused${beside}`);
}

function describeDaemon({ pid, prefix }: DaemonProcess): string {
  return `process ${pid} (${prefix === null ? "for a network that is not known" : `for ${prefix}`})`;
}

/** A port that our own device or daemon has is as it should be. */
export function checkPort({ ports, backends, links, daemons }: Facts): Finding {
  const wanted = backends.flatMap(({ port }) => (port === null ? [] : [port]));
  if (wanted.length === 0) return ok("the backend needs no port");
  const isOurs = (port: number) =>
    (links.known ? links.value : []).some(
      (link) => link.type === "vxlan" && link.port === port && link.name.startsWith("flannel"),
    ) ||
    (daemons.known && daemons.value.some(({ pid }) => holderOf(port)?.startsWith(`process ${pid} `)));
  const holderOf = (port: number) => ports.find((one) => one.port === port)?.holder ?? null;
  const taken = wanted.find((port) => holderOf(port) !== null && !isOurs(port));
  if (taken === undefined) return ok(`nobody else has UDP port ${wanted.join(" or ")}`);
  // It may be our own device that has it.
  if (!links.known) return skip(`whose UDP port ${taken} is was not looked at: ${links.reason}`);
  const holder = holderOf(taken) ?? "somebody";
  const pid = /^process (\d+)/.exec(holder)?.[1];
  return fail(
    `UDP port ${taken}, which flanneld needs, is taken by ${holder}`,
    pid === undefined ? 'set another "Port" in the Backend of the network config' : `kill ${pid}`,
  );
}
