// What hosts answer, which may be any daemon of any version, or none: taken for a snapshot only if it has what the page
// makes use of. Pure.

import type { StatusEvent } from "../status/events.ts";
import type { PublicStatus } from "../status/report.ts";

export type ReadStatus =
  | { readonly kind: "status"; readonly status: PublicStatus }
  | { readonly kind: "other"; readonly reason: string };

/** `prefix`: of the network in etcd; the daemon of another may answer on the same port. */
export function readStatus(value: unknown, prefix: string): ReadStatus {
  if (!isStatus(value)) return other("what answers there is no flanneld that tells its status");
  const { network } = value;
  if (network !== null && withoutSlashes(network.prefix) !== withoutSlashes(prefix)) {
    return other(`the flanneld that answers there carries another network, ${network.prefix}`);
  }
  return { kind: "status", status: value };
}

/** Those that are events. */
export function readEvents(value: unknown): readonly StatusEvent[] {
  const events = isObject(value) ? value["events"] : null;
  return Array.isArray(events) ? events.filter(isEvent) : [];
}

function other(reason: string): ReadStatus {
  return { kind: "other", reason };
}

const STATES: readonly unknown[] = ["ready", "degraded", "not ready"];
const LISTS = ["checks", "degraded", "peers"] as const;
const OBJECTS = ["process", "peerCounts", "events"] as const;
const OBJECTS_OR_NULL = ["network", "lease", "underlay", "backend", "reconcile", "device"] as const;

function isStatus(value: unknown): value is PublicStatus {
  if (!isObject(value) || value["schema"] !== 1 || !STATES.includes(value["state"])) return false;
  const lists = LISTS.every((name) => Array.isArray(value[name]) && value[name].every(isObject));
  const objects = OBJECTS.every((name) => isObject(value[name]));
  const rest = OBJECTS_OR_NULL.every((name) => value[name] === null || isObject(value[name]));
  return (
    lists && objects && rest && hasTraffic(value["device"]) && hasPrefix(value["network"]) && hasEnd(value["lease"])
  );
}

function hasTraffic(device: unknown): boolean {
  if (!isObject(device)) return true;
  const traffic = device["traffic"];
  return isObject(traffic) && typeof traffic["receivedBytes"] === "number" && typeof traffic["sentBytes"] === "number";
}

function hasPrefix(network: unknown): boolean {
  return !isObject(network) || typeof network["prefix"] === "string";
}

function hasEnd(lease: unknown): boolean {
  if (!isObject(lease)) return true;
  const { expires } = lease;
  return expires === null || (typeof expires === "string" && !Number.isNaN(Date.parse(expires)));
}

function isEvent(value: unknown): value is StatusEvent {
  return (
    isObject(value) &&
    typeof value["seq"] === "number" &&
    typeof value["at"] === "string" &&
    typeof value["level"] === "string" &&
    typeof value["kind"] === "string" &&
    isObject(value["fields"])
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function withoutSlashes(prefix: string): string {
  return prefix.replace(/^\/+|\/+$/g, "");
}
