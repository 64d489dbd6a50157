// Pods that ping each other a thousand times a second while something is done to a host between them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { Pod } from "../../lab/cni.ts";
import { parsePing } from "../../lab/ping.ts";
import { toolEnvironment } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { systemClock } from "../../src/base/clock.ts";

export interface PingedDuring {
  readonly sent: number;
  readonly lost: number;
  /** How long that took which was done. */
  readonly milliseconds: number;
}

/** Ten seconds of pings, in the middle of which `what` is done; fails when that takes longer. */
export async function pingDuring(from: Pod, to: Pod, what: () => Promise<void>): Promise<PingedDuring> {
  const words = ["ping", "-n", "-q", "-i", "0.001", "-c", "10000", "-W", "2", to.address];
  const [file = "", ...args] = inNamespace(from.namespace, words);
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"], env: toolEnvironment() });
  try {
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
    });
    const ended = new Promise((resolve) => child.on("close", resolve));
    const start = systemClock.monotonic();
    await what();
    const milliseconds = Math.round(systemClock.monotonic() - start);
    assert.equal(child.exitCode, null, `the pings were over before the ${milliseconds} ms that it took`);
    await ended;
    const { sent, received } = parsePing(text) ?? assert.fail(text);
    return { sent, lost: sent - received, milliseconds };
  } finally {
    child.kill("SIGKILL");
  }
}
