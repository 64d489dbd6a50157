// The composition root: learn what the network is, lease a subnet, then hold all of it together until stopped.

import { FlannelError } from "./base/errors.ts";
import type { Logger } from "./base/log.ts";
import type { Options } from "./cli/options.ts";
import type { LogLevelSwitch } from "./control/desk.ts";
import { openDataPlane } from "./data-plane.ts";
import { hold } from "./hold.ts";
import { keepControl } from "./keep-control.ts";
import { acquire, learn } from "./learn.ts";
import type { Means } from "./means.ts";
import { createMetrics } from "./metrics/answer.ts";
import { sourcesOfStart } from "./observe.ts";
import type { Ports } from "./ports.ts";
import { type Collector, createCollector } from "./status/collect.ts";
import { describeOptions } from "./status/describe-options.ts";
import { createReport } from "./status/report.ts";
import { storeSection } from "./status/sections.ts";
import { LOG_LEVELS } from "./status/snapshot.ts";
import { createStatusBoard, type StatusBoard } from "./status-board.ts";

/** Under the instance lock. Runs until the signal aborts. Throws what a person or the supervisor must act on. */
export async function runDaemon(options: Options, ports: Ports, signal: AbortSignal): Promise<void> {
  const board = createStatusBoard(ports.notify);
  board.degrade("log", ports.logTrouble);
  const { readiness } = board;
  const status = createCollector({ ...ports, ...options.etcd, readiness, options: describeOptions(options) });
  const metrics = createMetrics(status.status, ports.clock);
  const report = createReport({ status: status.status, events: ports.events }, ports.clock);
  const health = options.healthz && (await ports.openHealth(options.healthz, { readiness, metrics, report }));
  await using _health = health;
  if (!(await ports.hasCapability("CAP_NET_ADMIN"))) {
    throw new FlannelError("privilege.missing", { capability: "CAP_NET_ADMIN" });
  }
  using pinger = options.probeInterval && (await ports.openPinger());
  await using store = await ports.openStore(options.etcd);
  const reload = () => store.reload();
  using _reload = ports.onReloadRequest(reload);
  status.attach({ store: () => storeSection(options.etcd.endpoints, store.health(), store.callCounts(), null) });
  await using _control = await openDesk(options.controlSocket, { ...ports, board, status, reload });
  using kernel = ports.openKernel();
  const state = ports.openStateDirectory(options.stateDirectory);
  const means: Means = { ...ports, store, kernel, board, state, status, pinger };
  const learned = await learn(options, means, signal);
  status.attach(sourcesOfStart(learned, options));
  const { backend } = learned.overlay;
  using _devices = await ports.lockDevices(backend.devices(learned.underlay, null).map(({ name }) => name));
  const { userspace } = backend;
  using plane = userspace && openDataPlane(userspace, learned.underlay, ports);
  const acquired = await acquire(learned, options, means, signal);
  await hold(learned, acquired, plane, options, means, signal);
}

interface DeskDeps extends Ports {
  readonly board: StatusBoard;
  readonly status: Collector;
  readonly reload: () => void;
}

async function openDesk(
  path: string | null,
  { openControl, board, status, events, logLevel, reload, clock, log }: DeskDeps,
): Promise<AsyncDisposable | null> {
  if (path === null) return null;
  const answer = async () => {
    await status.refresh();
    return await status.status();
  };
  const desk = { status: answer, events, logLevel: tellingLevel(logLevel, log), reload };
  return await keepControl(path, { open: () => openControl(path, desk), board, clock, log });
}

/** Says so at the more talkative of the two levels. */
function tellingLevel({ get, set }: LogLevelSwitch, log: Logger): LogLevelSwitch {
  return {
    get,
    set(level) {
      const before = get();
      if (level === before) return;
      const isLess = LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(before);
      if (!isLess) set(level);
      log.info("the log level was set until the daemon ends", { changed: `${before} to ${level}` });
      if (isLess) set(level);
    },
  };
}
