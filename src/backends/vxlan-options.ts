// The Backend object of the network config, as vxlan reads it.

import {
  boolean,
  excerpt,
  integer,
  invalidMember,
  type Json,
  type JsonObject,
  jsonObject,
  string,
} from "../base/json.ts";
import { readMtu } from "./mtu.ts";
import { OVERHEAD } from "./vxlan-side.ts";

export interface VxlanOptions {
  readonly vni: number;
  /** UDP port. The config's 0, or none, is the kernel's default, and the kernel reads back what that is. */
  readonly port: number;
  /** MTU of the underlay as the config gives it; null to take the interface's. */
  readonly mtu: number | null;
  readonly gbp: boolean;
  readonly learning: boolean;
  readonly directRouting: boolean;
  readonly offload: Offload;
}

/** Whether the device leaves inner checksums to the network card; `auto`: unless they are seen to arrive wrong. */
const OFFLOADS = ["auto", "on", "off"] as const;
type Offload = (typeof OFFLOADS)[number];

/** Kernel: what a vxlan device gets that is created with port 0 (the module parameter udp_port of vxlan). */
const KERNEL_PORT = 8472;

/** Throws `config.invalid` with the path of the first member that does not fit. */
export function readVxlanOptions(raw: { readonly [key: string]: Json }): VxlanOptions {
  const options = jsonObject(raw, "$.Backend");
  return {
    vni: integer(options, "VNI", { min: 1, max: 0xffffff, default: 1 }),
    port: integer(options, "Port", { min: 0, max: 65_535, default: 0 }) || KERNEL_PORT,
    mtu: readMtu(options, OVERHEAD),
    gbp: boolean(options, "GBP", false),
    learning: boolean(options, "Learning", false),
    directRouting: boolean(options, "DirectRouting", false),
    offload: readOffload(options),
  };
}

function readOffload(options: JsonObject): Offload {
  const text = string(options, "Offload", "auto");
  const found = OFFLOADS.find((offload) => offload === text);
  if (found) return found;
  throw invalidMember(options, "Offload", `must be one of ${OFFLOADS.join(", ")}, but is ${excerpt(text)}`);
}

/** The members of Backend that vxlan reads, with the values that it goes by; MTU null: the interface decides. */
export function vxlanSettings(raw: { readonly [key: string]: Json }): { readonly [name: string]: Json } {
  const { vni, port, mtu, directRouting, gbp, learning, offload } = readVxlanOptions(raw);
  return {
    VNI: vni,
    Port: port,
    MTU: mtu,
    DirectRouting: directRouting,
    GBP: gbp,
    Learning: learning,
    Offload: offload,
  };
}
