// flanneld's device on a host beside a program that rules the host's network: what has become of it, and of the pods that
// send by it.

import type { Pod } from "../../lab/cni.ts";
import { ping } from "../../lab/ping.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import type { NeighbourHost } from "./neighbours.ts";

const LIMIT = seconds(60);
const DEVICE = "flannel.1";
const REPAIR = /kernel state was changed by somebody else and is repaired/g;

export interface LinkState {
  readonly ifindex: number;
  readonly mtu: number;
  readonly address: string;
}

export interface OverlayDevice {
  link(name: string): Promise<LinkState>;
  /** What a unit has logged since it was started last. */
  logOf(unit: string): Promise<string>;
  /** How often flanneld has repaired something since it was started last. */
  repairs(): Promise<number>;
  /** flanneld starts without its device, and makes it and all that goes by it. */
  remake(): Promise<void>;
  /** A ping from pod to pod is answered. */
  answers(): Promise<boolean>;
  /** All is as flanneld has made it, with this MAC, and a ping from pod to pod is answered. */
  isWhole(mac: string): Promise<boolean>;
  waitUntil(what: string, holds: () => Promise<boolean>): Promise<void>;
}

/** With a blackhole route for what no pod has, as `--ip-blackhole-route` makes. */
export function overlayDevice(
  host: NeighbourHost,
  [from, to]: readonly [Pod, Pod],
  signal: AbortSignal,
): OverlayDevice {
  const link = async (name: string) => {
    const [state] = JSON.parse(await host.on("ip", "-j", "link", "show", name)) as [LinkState];
    return state;
  };
  const logOf = async (unit: string) => {
    const id = (await host.on("systemctl", "show", "--value", "-p", "InvocationID", unit)).trim();
    return await host.on("journalctl", "-o", "cat", `_SYSTEMD_INVOCATION_ID=${id}`);
  };
  const answers = async () => (await ping(from.namespace, to.address, { count: 1 }, signal)).received === 1;
  return {
    link,
    logOf,
    answers,
    repairs: async () => (await logOf("flanneld.service")).match(REPAIR)?.length ?? 0,
    async remake() {
      await host.on("systemctl", "stop", "flanneld.service");
      await host.on("ip", "link", "del", DEVICE);
      await host.on("systemctl", "start", "flanneld.service");
    },
    async isWhole(mac) {
      if ((await host.attempt("ip", "link", "show", DEVICE)).status !== 0) return false;
      const { mtu, address } = await link(DEVICE);
      const isAnswered = await answers();
      const blackhole = await host.on("ip", "route", "show", "type", "blackhole");
      return mtu === 1450 && address === mac && isAnswered && blackhole !== "";
    },
    async waitUntil(what, holds) {
      await waitFor(what, async () => ((await holds()) ? true : null), LIMIT, signal);
    },
  };
}
