// The real data path on a TUN device of its own, for kernel tests.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, beforeEach } from "node:test";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import {
  DATAPATH_FEATURES,
  type Datapath,
  type DatapathFeature,
  type DatapathListener,
  type DatapathTunnel,
} from "../../src/base/datapath.ts";
import { parseIpv4 } from "../../src/base/ip.ts";
import { ip, whyNotHere } from "./namespace.ts";
import { openNative } from "./native.ts";

export const LOCAL = parseIpv4("127.0.0.1");
export const PORT = 8285;
export const DEVICE = "flannel0";
export const TUNNEL: DatapathTunnel = {
  device: DEVICE,
  ipv4: parseIpv4("10.5.1.0"),
  ipv6: null,
  mtu: 1472,
  checkSource: true,
};
export const SILENT: DatapathListener = { onEnded: () => {}, onFeatureLost: () => {} };
export const native = whyNotHere() === false ? openNative() : null;

export function open(
  listener: DatapathListener = SILENT,
  features: readonly DatapathFeature[] = DATAPATH_FEATURES,
  port = PORT,
): Datapath {
  const options = { address: LOCAL, port, bufferSize: 0, features: new Set(features) };
  return native?.openDatapath(options, listener) ?? assert.fail();
}

export function codeOf(attempt: () => void): unknown {
  try {
    attempt();
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
  return null;
}

/** Kernel: a thread that has ended and was joined is listed until it has left everything else, too. */
export async function untilThreads(count: number): Promise<void> {
  const { signal } = new AbortController();
  await waitFor(`${count} threads`, () => threads().length === count || null, seconds(10), signal);
}

function threads(): readonly string[] {
  const names = readdirSync("/proc/self/task").map((id) => {
    try {
      return readFileSync(`/proc/self/task/${id}/comm`, "utf8").trim();
    } catch {
      return "";
    }
  });
  return names.filter((name) => name === "udp-datapath");
}

export function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** The user and system time of this process, in milliseconds. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** For each test of a suite. */
export function useTunDevice(): void {
  // Waiting for its events does not keep a process alive, on purpose; a test that waits for one must stay.
  let alive: NodeJS.Timeout;
  beforeEach(() => {
    alive = setInterval(() => {}, 1000);
    ip("link set lo up");
    native?.createTun(DEVICE);
    ip(`link set ${DEVICE} up`);
  });
  afterEach(() => {
    clearInterval(alive);
    try {
      ip(`link del ${DEVICE}`);
    } catch {
      // The test has deleted it.
    }
    ip("link set lo down");
  });
}
