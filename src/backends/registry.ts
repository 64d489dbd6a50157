// Which backends there are. A backend is added by one file and one line here.

import { FlannelError } from "../base/errors.ts";
import type { NetworkConfig } from "../subnet/network-config.ts";
import type { Backend } from "./backend.ts";
import { createHostGw } from "./host-gw.ts";
import { createUdp } from "./udp.ts";
import { createVxlan } from "./vxlan.ts";

type BackendFactory = (options: NetworkConfig["backend"]["options"]) => Backend;

const BACKENDS: Readonly<Record<string, BackendFactory>> = {
  vxlan: createVxlan,
  "host-gw": createHostGw,
  udp: createUdp,
};

/** The types that a network config may ask for. */
export const BACKEND_TYPES: readonly string[] = Object.keys(BACKENDS);

/** Backends of the Go daemon that have no implementation here. */
const NOT_BUILT = ["alloc", "extension", "ipip", "ipsec", "tencent-vpc", "wireguard"];

/** Throws `config.invalid` for an unknown type or for options that the backend does not accept. */
export function createBackend({ type, options }: NetworkConfig["backend"]): Backend {
  const factory = Object.hasOwn(BACKENDS, type) ? BACKENDS[type] : undefined;
  if (factory) return factory(options);
  const known = BACKEND_TYPES.join(", ");
  const reason = NOT_BUILT.includes(type)
    ? `the backend ${type} is not built into this flanneld yet; set "Backend": {"Type": ...} to one of ${known}`
    : `unknown backend type: ${JSON.stringify(type)} (known: ${known}; not built yet: ${NOT_BUILT.join(", ")})`;
  throw new FlannelError("config.invalid", { at: "$.Backend.Type", reason });
}
