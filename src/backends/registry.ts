// Which backends there are. A backend is added by one file and one line here.

import { FlannelError } from "../base/errors.ts";
import { type Json, jsonObject, unknownMembers } from "../base/json.ts";
import type { NetworkConfig } from "../subnet/network-config.ts";
import type { Backend } from "./backend.ts";
import { createHostGw, hostGwSettings } from "./host-gw.ts";
import { createUdp } from "./udp.ts";
import { udpSettings } from "./udp-options.ts";
import { createVxlan } from "./vxlan.ts";
import { vxlanSettings } from "./vxlan-options.ts";

type RawOptions = NetworkConfig["backend"]["options"];

interface BackendKind {
  readonly create: (options: RawOptions) => Backend;
  /** The members of Backend that it reads, with the values that it goes by. */
  readonly settings: (options: RawOptions) => BackendSettings;
}

export type BackendSettings = { readonly [name: string]: Json };

const BACKENDS: Readonly<Record<string, BackendKind>> = {
  vxlan: { create: createVxlan, settings: vxlanSettings },
  "host-gw": { create: createHostGw, settings: hostGwSettings },
  udp: { create: createUdp, settings: udpSettings },
};

/** The types that a network config may ask for. */
export const BACKEND_TYPES: readonly string[] = Object.keys(BACKENDS);

/** Backends of the Go daemon that have no implementation here. */
const NOT_BUILT: readonly string[] = ["alloc", "extension", "ipip", "ipsec", "tencent-vpc", "wireguard"];

/** Why there is no such backend, for the command line: a name that is misspelt is not one that will come. */
export function whyNoBackend(name: string): string {
  return NOT_BUILT.includes(name) ? "not built yet" : "there is no such backend";
}

/** Throws `config.invalid` for an unknown type or for options that the backend does not accept. */
export function createBackend({ type, options }: NetworkConfig["backend"]): Backend {
  return backendKind(type).create(options);
}

/** What the backend makes of the Backend object, defaults filled in, without Type. Throws like createBackend. */
export function backendSettings({ type, options }: NetworkConfig["backend"]): BackendSettings {
  return backendKind(type).settings(options);
}

/** Paths of the members of Backend that nobody reads. Takes a Backend that createBackend accepts. */
export function unknownBackendMembers(backend: NetworkConfig["backend"]): readonly string[] {
  const known = ["Type", ...Object.keys(backendSettings(backend))];
  return unknownMembers(jsonObject(backend.options, "$.Backend"), known);
}

function backendKind(type: string): BackendKind {
  const kind = Object.hasOwn(BACKENDS, type) ? BACKENDS[type] : undefined;
  if (kind) return kind;
  const known = BACKEND_TYPES.join(", ");
  const reason = NOT_BUILT.includes(type)
    ? `the backend ${type} is not built into this flanneld yet; set "Backend": {"Type": ...} to one of ${known}`
    : `unknown backend type: ${JSON.stringify(type)} (known: ${known}; not built yet: ${NOT_BUILT.join(", ")})`;
  throw new FlannelError("config.invalid", { at: "$.Backend.Type", reason });
}
