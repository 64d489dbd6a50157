// The composition root: learn what the network is, lease a subnet, then hold all of it together until stopped.

import { FlannelError } from "./base/errors.ts";
import type { Options } from "./cli/options.ts";
import { openDataPlane } from "./data-plane.ts";
import { hold } from "./hold.ts";
import { acquire, learn } from "./learn.ts";
import type { Means } from "./means.ts";
import type { Ports } from "./ports.ts";
import { createStatusBoard } from "./status-board.ts";

/** Runs until the signal aborts. Throws what a person or the supervisor must act on. */
export async function runDaemon(options: Options, ports: Ports, signal: AbortSignal): Promise<void> {
  using _lock = await ports.lockInstance(options.etcd.prefix);
  const board = createStatusBoard(ports.notify);
  const health = options.healthz && (await ports.openHealth(options.healthz, () => board.readiness()));
  await using _health = health;
  if (!(await ports.hasCapability("CAP_NET_ADMIN"))) {
    throw new FlannelError("privilege.missing", { capability: "CAP_NET_ADMIN" });
  }
  using pinger = options.probeInterval && (await ports.openPinger());
  await using store = await ports.openStore(options.etcd);
  using _reload = ports.onReloadRequest(() => store.reload());
  using kernel = ports.openKernel();
  const state = ports.openStateDirectory(options.stateDirectory);
  const means: Means = { ...ports, store, kernel, board, state, pinger };
  const learned = await learn(options, means, signal);
  const { userspace } = learned.overlay.backend;
  using plane = userspace && openDataPlane(userspace, learned.underlay, ports);
  const acquired = await acquire(learned, options, means, signal);
  await hold(learned, acquired, plane, options, means, signal);
}
