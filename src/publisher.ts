// Tells the host's other programs about the overlay: writes subnet.env once the device is up, whenever what it says has
// changed, and when somebody has deleted or changed it; and READY=1 to systemd after the first time. A file that cannot be
// written is tried again for as long as it takes; until then the daemon is not ready.

import type { Backend } from "./backends/backend.ts";
import { delays } from "./base/backoff.ts";
import { millis, seconds } from "./base/brand.ts";
import { createComplaint } from "./base/complaint.ts";
import { createDoorbell, TIMER, waitAtMost } from "./base/doorbell.ts";
import { isError, messageOf } from "./base/errors.ts";
import type { Options } from "./cli/options.ts";
import type { Underlay } from "./net/underlay.ts";
import type { Ports } from "./ports.ts";
import type { StatusBoard } from "./status-board.ts";
import { describeSubnet, type Subnet } from "./subnet/lease.ts";
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
  readonly subnet: Subnet;
}

export interface Publisher {
  /** What is to be published may have changed. */
  touch(): void;
  run(signal: AbortSignal): Promise<void>;
}

/** How often the file is looked at: pods that are made without it fail. */
const LOOK_INTERVAL = seconds(15);

export function createPublisher(options: Options, published: () => Published, deps: PublisherDeps): Publisher {
  const { board, clock, log } = deps;
  const bell = createDoorbell();
  const spoilt = createComplaint(
    { raised: "the subnet file is written again", settled: "the subnet file has stayed as it was written" },
    deps,
  );
  const write = async (text: string, signal: AbortSignal) => {
    await writeUntilDone(options.subnetFile, text, deps, signal);
    log.info("wrote the subnet file", { path: options.subnetFile, subnet: describeSubnet(published().subnet) });
    board.set("subnet-file", null);
  };
  const restore = async (text: string, signal: AbortSignal) => {
    const reason = await spoiling(options.subnetFile, text, deps);
    if (reason === null) return spoilt.settle();
    spoilt.raise(reason, { path: options.subnetFile });
    await writeUntilDone(options.subnetFile, text, deps, signal);
    board.set("subnet-file", null);
  };
  return {
    touch: () => bell.ring("changed"),
    async run(signal) {
      await deps.ready(signal);
      let written = textOf(published(), options);
      await write(written, signal);
      deps.notify("READY=1");
      const { backend, subnet, underlay } = published();
      log.info("flannel is ready", { subnet: describeSubnet(subnet), mtu: backend.mtu(underlay) });
      for (;;) {
        const rung = await waitAtMost(LOOK_INTERVAL, bell, clock, signal);
        const text = textOf(published(), options);
        if (text !== written) await write(text, signal);
        else if (rung.has(TIMER)) await restore(text, signal);
        written = text;
      }
    },
  };
}

function textOf({ network, backend, underlay, subnet }: Published, { ipMasq }: Options): string {
  return formatSubnetFile({ network, subnet, mtu: backend.mtu(underlay), ipMasq });
}

/** What has become of the file, as a clause; null when it says what it should. */
async function spoiling(path: string, text: string, { readSubnetFile }: PublisherDeps): Promise<string | null> {
  try {
    const found = await readSubnetFile(path);
    if (found === text) return null;
    return found === null ? "somebody has deleted it" : "somebody has changed it";
  } catch (error) {
    if (isError(error, "file.unreadable")) return error.info.reason;
    throw error;
  }
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
