// Whether this host can carry the network's backend beside what is there already: the answer by which a daemon starts or
// ends.

import { prefix4Contains } from "../base/ip.ts";
import { byHand } from "../base/remedy.ts";
import { type LinkName, markOf } from "../net/objects.ts";
import type { Facts } from "./facts.ts";
import { type Finding, fail, ok, skip, warn } from "./finding.ts";

export function checkBackend(facts: Facts): Finding {
  const { backends, isBackendKnown, underlay, links, prefix } = facts;
  const [wanted] = backends;
  if (!isBackendKnown || !wanted)
    return skip("whether the backend can run here is not known without the network config");
  if (!links.known) return skip(`whether the backend can run here was not looked at: ${links.reason}`);
  if (!underlay.known) return skip("without an interface it is not known whether the backend can run here");
  const { backend } = wanted;
  const host = { underlay: underlay.value, links: links.value, mark: markOf(prefix) };
  const reason = backend.unsuitable(host);
  if (reason !== null) return cannotRun(backend.type, reason);
  const names = backend.devices(host.underlay, backend.device(host)).map(({ name }) => name);
  const taken = isOurs(facts) ? undefined : names.find((name) => facts.carried.includes(name));
  if (taken !== undefined) {
    return fail(
      `the flanneld of another network has the device ${taken} on this host`,
      byHand("stop that one, or set another VNI in the Backend of this network's config"),
    );
  }
  const strange = names.find((name) => isAnothers(facts, name));
  if (strange !== undefined) {
    return warn(
      `${strange} has no address of this network: the flanneld of another one may have it, and would lose it`,
      byHand("stop that one, or set another VNI in the Backend of this network's config"),
    );
  }
  return ok(`the backend ${backend.type} can run here`);
}

/** Compat: a Go daemon says by no lock which devices it has; that one of another network runs, and the addresses, tell. */
export function isAnothers(facts: Facts, name: LinkName): boolean {
  const { daemons, interfaces, network } = facts;
  if (isOurs(facts) || !daemons.known || daemons.value.length === 0 || !interfaces.known || !network.known)
    return false;
  const range = network.value.network;
  const addresses = interfaces.value.find((one) => one.name === name)?.addresses ?? [];
  return addresses.length > 0 && !addresses.some(({ ip }) => prefix4Contains(range, ip));
}

/** What has these devices is, or may be, this network's own. */
function isOurs({ daemons, prefix }: Facts): boolean {
  return !daemons.known || daemons.value.some((one) => one.prefix === prefix || one.prefix === null);
}

/** Of a reason such as "the port is taken by a device; delete it": what is so, and what to do. */
function cannotRun(type: string, reason: string): Finding {
  const [what = reason, ...how] = reason.split("; ");
  const sentence = `the backend ${type} cannot run here: ${what}`;
  return fail(sentence, byHand(how.length > 0 ? how.join("; ") : "set another MTU or backend in the network config"));
}
