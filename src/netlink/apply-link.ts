// Carrying out operations on links: making one, changing it in place, or making it anew.

import { writeFile } from "node:fs/promises";
import { messageOf } from "../base/errors.ts";
import type { NativeAddon } from "../native/native.ts";
import type { NetOp } from "../net/diff.ts";
import { belongsToAnother, type Link, type LinkName, linkChange, sameObject, type TunLink } from "../net/objects.ts";
import type { Request } from "./codec.ts";
import type { Connection, Refusal } from "./connection.ts";
import { createLink, deleteLink, freeLink, renameLink, setLink, setLinkDown, setLinkUp } from "./link.ts";
import { explainRefusal } from "./link-refusal.ts";
import { readLink, readLinks } from "./read-links.ts";
import { udpPortHolder } from "./udp-port-holder.ts";

export type LinkOp = NetOp & { readonly object: Link };

export interface LinkDeps {
  readonly connection: Connection;
  readonly native: Pick<NativeAddon, "createTun" | "setChecksumOffload">;
}

/** Null when the link is as wanted. One that cannot be made anew stays as it is. */
export async function applyLinkOp(op: LinkOp, deps: LinkDeps): Promise<Refusal | null> {
  const refusal = await perform(op, deps);
  return refusal && explainRefusal(op.object, refusal, { holderOf: udpPortHolder });
}

async function perform(op: LinkOp, { connection, native }: LinkDeps): Promise<Refusal | null> {
  switch (op.op) {
    case "create":
      return create(op.object, { connection, native });
    case "delete":
      return remove(op.object.name, connection);
    case "replace": {
      const { previous } = op;
      if (previous.kind === "link" && linkChange(previous, op.object) === "set") {
        return change(previous, op.object, { connection, native });
      }
      // What it would be made anew on is not there, as when somebody has renamed it: the old one may still carry packets.
      const absent = absentLower(op.object, connection);
      return absent ?? remove(op.object.name, connection) ?? (await create(op.object, { connection, native }));
    }
  }
}

async function create(link: Link, { connection, native }: LinkDeps): Promise<Refusal | null> {
  if (link.type === "tun") return createTun(link, { connection, native });
  const lower = link.type === "vxlan" ? link.lower : null;
  const lowerIndex = lower === null ? null : indexOf(lower, connection);
  if (lower !== null && lowerIndex === null) return noDevice(lower);
  const refusal = execute(createLink(link, lowerIndex), connection);
  if (refusal?.errno === "EEXIST") return isThere(link, connection) ? null : nameBack(link, refusal, connection);
  if (refusal) return refusal;
  await ignoreRouterAdvertisements(link.name);
  // Kernel: it is made with the offload on. No packet may leave before it is as wanted.
  const left = link.type === "vxlan" && link.checksumOffload === false ? setOffload(link.name, false, native) : null;
  if (left || !link.up) return left;
  const index = indexOf(link.name, connection);
  return index === null ? noDevice(link.name) : execute(setLinkUp(index), connection);
}

/**
 * A VNI can be had once. When the device that has it also has our MAC, which no other has, it is ours and somebody has
 * given it another name. Kernel: before Linux 6.2 a link that is up keeps its name (EBUSY).
 */
function nameBack(link: Link, refusal: Refusal, connection: Connection): Refusal | null {
  if (link.type !== "vxlan" || readLink({ name: link.name }, connection)) return refusal;
  const isOurs = (other: Link) =>
    other.type === "vxlan" && link.mac !== null && other.mac === link.mac && linkChange(other, link) === "set";
  const found = readLinks(connection).find((record) => isOurs(record.link));
  if (!found) return refusal;
  const rename = renameLink(found.index, link.name);
  const refused = execute(rename, connection);
  if (refused?.errno !== "EBUSY") return refused;
  return execute(setLinkDown(found.index), connection) ?? execute(rename, connection);
}

/** Kernel: a TUN device cannot be made through rtnetlink; what it is like can be set through it. */
function createTun(link: TunLink, deps: LinkDeps): Refusal | null {
  const { connection, native } = deps;
  const refusal = refusalOf(() => native.createTun(link.name));
  const present = readLink({ name: link.name }, connection)?.link;
  if (refusal && (refusal.errno !== "EEXIST" || !present || !isOurs(present, link))) return refusal;
  return present ? change(present, link, deps) : noDevice(link.name);
}

/** Of the same kind, and not marked by another network's daemon. */
function isOurs(present: Link, link: TunLink): boolean {
  if (present.type !== "tun" || linkChange(present, link) === "recreate") return false;
  return !belongsToAnother(present, link.alias);
}

function refusalOf(attempt: () => void): Refusal | null {
  try {
    attempt();
    return null;
  } catch (error) {
    return { errno: (error as NodeJS.ErrnoException).code ?? "UNKNOWN", message: messageOf(error) };
  }
}

function isThere(link: Link, connection: Connection): boolean {
  const present = readLink({ name: link.name }, connection)?.link;
  return present !== undefined && sameObject(present, link);
}

/** Compat: like the Go daemon, and like it regardless of the outcome: a host without IPv6 has no such file. */
async function ignoreRouterAdvertisements(name: LinkName): Promise<void> {
  await writeFile(`/proc/sys/net/ipv6/conf/${name}/accept_ra`, "0").catch(() => {});
}

/** What an IPv6 address cannot be added without; a host may switch IPv6 off wherever nobody asks for it. */
export async function enableIpv6(name: LinkName): Promise<void> {
  await writeFile(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, "0").catch(() => {});
}

function change(previous: Link, next: Link, { connection, native }: LinkDeps): Refusal | null {
  const present = readLink({ name: next.name }, connection);
  if (present === null) return noDevice(next.name);
  const { index, captivity } = present;
  const isSeized = previous.type === "vxlan" && previous.seized === true;
  const captive = isSeized ? execute(freeLink(index, captivity), connection) : null;
  return captive ?? execute(setLink(index, previous, next), connection) ?? changeOffload(previous, next, native);
}

function changeOffload(previous: Link, next: Link, native: LinkDeps["native"]): Refusal | null {
  if (previous.type !== "vxlan" || next.type !== "vxlan") return null;
  const { name, checksumOffload } = next;
  if (checksumOffload === null || checksumOffload === previous.checksumOffload) return null;
  return setOffload(name, checksumOffload, native);
}

function setOffload(name: LinkName, on: boolean, native: LinkDeps["native"]): Refusal | null {
  return refusalOf(() => native.setChecksumOffload(name, on));
}

function remove(name: LinkName, connection: Connection): Refusal | null {
  const index = indexOf(name, connection);
  const refusal = index === null ? null : execute(deleteLink(index), connection);
  return refusal?.errno === "ENODEV" ? null : refusal;
}

/** The refusal of a link whose lower device does not exist; null when it does. */
function absentLower(link: Link, connection: Connection): Refusal | null {
  const lower = link.type === "vxlan" ? link.lower : null;
  return lower !== null && indexOf(lower, connection) === null ? noDevice(lower) : null;
}

function indexOf(name: LinkName, connection: Connection): number | null {
  return readLink({ name }, connection)?.index ?? null;
}

function execute(request: Request, connection: Connection): Refusal | null {
  return connection.execute([request])[0] ?? null;
}

function noDevice(name: LinkName): Refusal {
  return { errno: "ENODEV", message: `there is no device ${name}` };
}
