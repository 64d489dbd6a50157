// Tells the host's other programs about the overlay: writes subnet.env once the device is up, then READY=1 to systemd.
// A file that cannot be written is tried again for as long as it takes; until then the daemon is not ready.

import type { Backend } from "./backends/backend.ts";
import { delays } from "./base/backoff.ts";
import { millis } from "./base/brand.ts";
import { createComplaint } from "./base/complaint.ts";
import { messageOf } from "./base/errors.ts";
import type { Task } from "./base/tasks.ts";
import type { Options } from "./cli/options.ts";
import type { Underlay } from "./net/underlay.ts";
import type { Ports } from "./ports.ts";
import type { StatusBoard } from "./status-board.ts";
import type { LeaseHolder } from "./subnet/hold-lease.ts";
import type { NetworkConfig } from "./subnet/network-config.ts";
import { formatSubnetFile } from "./subnet/subnet-file.ts";

export interface PublisherDeps extends Ports {
  readonly board: StatusBoard;
  /** Resolves once our own device is up. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
}

export interface Published {
  readonly network: NetworkConfig;
  readonly backend: Backend;
  readonly underlay: Underlay;
}

export function createPublisher(
  options: Options,
  published: Published,
  holder: LeaseHolder,
  deps: PublisherDeps,
): Task {
  const { board, log } = deps;
  return async (signal) => {
    await deps.ready(signal);
    const { subnet } = holder.lease();
    const text = formatSubnetFile({
      network: published.network,
      subnet,
      mtu: published.backend.mtu(published.underlay),
      ipMasq: options.ipMasq,
    });
    await writeUntilDone(options.subnetFile, text, deps, signal);
    log.info("wrote the subnet file", { path: options.subnetFile, subnet: subnet.v4 });
    board.set("subnet-file", null);
    deps.notify("READY=1");
    log.info("flannel is ready", { subnet: subnet.v4, mtu: published.backend.mtu(published.underlay) });
    await untilAborted(signal);
  };
}

async function writeUntilDone(path: string, text: string, deps: PublisherDeps, signal: AbortSignal): Promise<void> {
  const complaint = createComplaint(
    { raised: "cannot write the subnet file", settled: "the subnet file is written" },
    deps,
  );
  for (const delay of delays({ first: millis(500), max: millis(30_000), random: deps.random })) {
    try {
      await deps.writeSubnetFile(path, text);
      complaint.settle();
      return;
    } catch (error) {
      deps.board.set("subnet-file", messageOf(error));
      complaint.raise(messageOf(error), { path });
    }
    await deps.clock.sleep(delay, signal);
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
