// What can happen to a flanneld. The kernel is left alone, so where the kernel carries the packets none may be lost;
// with udp they flow only while flanneld runs.

import { installCopy } from "../lab/installed-copy.ts";
import { millis, seconds } from "../src/base/brand.ts";
import { type Fault, nothing } from "./fault.ts";
import type { SoakHost } from "./world.ts";

/** From a start until it carries packets, on a machine that is busy. */
export const START = seconds(10);

export const COSTS_A_RESTART: Pick<Fault, "kind" | "mayLose" | "recovery"> = {
  kind: "flanneld",
  mayLose: (backend) => (backend === "udp" ? START : null),
  recovery: seconds(60),
};

/** bad config */
const REFUSED = 78;

export const DAEMON_FAULTS: readonly Fault[] = [
  {
    ...COSTS_A_RESTART,
    name: "flanneld-killed",
    summary: "flanneld is killed, and started again",
    lasts: [millis(0), seconds(5)],
    async inject(world, victim, signal) {
      await victim.daemon.kill(signal);
      return async () => world.start(victim);
    },
  },
  {
    ...COSTS_A_RESTART,
    name: "flanneld-stopped",
    summary: "flanneld is stopped in order (SIGTERM), and started again",
    lasts: [millis(0), seconds(5)],
    async inject(world, victim, signal) {
      await stopInOrder(victim, signal);
      return async () => world.start(victim);
    },
  },
  {
    ...COSTS_A_RESTART,
    name: "flanneld-replaced",
    summary: "another build of flanneld takes over (an upgrade), and later this one again",
    lasts: [seconds(1), seconds(5)],
    async inject(world, victim, signal) {
      const program = installCopy(victim.machine.directory, "other");
      await stopInOrder(victim, signal);
      world.start(victim, { program });
      await victim.daemon.ready(signal);
      return async (signal) => {
        await stopInOrder(victim, signal);
        world.start(victim);
      };
    },
  },
  {
    ...COSTS_A_RESTART,
    name: "flanneld-frozen",
    summary: "flanneld does not get on (SIGSTOP), and goes on (SIGCONT)",
    lasts: [seconds(1), seconds(15)],
    async inject(_, { daemon }) {
      process.kill(daemon.pid, "SIGSTOP");
      return async () => void process.kill(daemon.pid, "SIGCONT");
    },
  },
  {
    ...COSTS_A_RESTART,
    name: "flanneld-without-etcd",
    summary: "flanneld is killed and started while etcd is down; then etcd is started",
    lasts: [seconds(1), seconds(10)],
    async inject(world, victim, signal) {
      await world.store.stop();
      await victim.daemon.kill(signal);
      world.start(victim);
      await victim.daemon.ready(signal);
      return () => world.store.start();
    },
  },
  {
    name: "flanneld-twice",
    kind: "flanneld",
    summary: "a second flanneld is started beside the first, and must end at once",
    lasts: [millis(0), millis(0)],
    mayLose: () => null,
    recovery: seconds(20),
    async inject(world, victim, signal) {
      const status = await world.launch(victim).ended(signal);
      if (status !== REFUSED) throw new Error(`the second flanneld ended with status ${status}, not ${REFUSED}`);
      return nothing;
    },
  },
];

async function stopInOrder({ machine, daemon }: SoakHost, signal: AbortSignal): Promise<void> {
  const status = await daemon.stop(signal);
  if (status !== 0) throw new Error(`flanneld on ${machine.name} ended with status ${status} on SIGTERM`);
}
