// What the kernel has counted on a device. From /proc/net/dev, which is of this process's network namespace, as
// /sys/class/net need not be.

import { readFile } from "node:fs/promises";
import type { DeviceStatus } from "./status/snapshot.ts";

/** Null when there is no such device. */
export async function readDevice(name: string): Promise<DeviceStatus | null> {
  return parseDevice(await readFile("/proc/self/net/dev", "utf8").catch(() => ""), name);
}

/**
 * Kernel: "name: bytes packets errs drop fifo frame compressed multicast bytes packets errs drop fifo colls carrier
 * compressed", received first.
 */
export function parseDevice(text: string, name: string): DeviceStatus | null {
  const line = text.split("\n").find((line) => line.trimStart().startsWith(`${name}:`));
  const fields = line
    ?.slice(line.indexOf(":") + 1)
    .trim()
    .split(/\s+/)
    .map(Number);
  if (!fields || fields.length < 16) return null;
  const at = (index: number) => fields[index] ?? 0;
  return {
    name,
    traffic: { receivedBytes: at(0), receivedPackets: at(1), sentBytes: at(8), sentPackets: at(9) },
    errors: { received: at(2), sent: at(10) },
    dropped: { received: at(3), sent: at(11) },
  };
}
