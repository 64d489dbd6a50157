// What can happen to a flanneld. The kernel is left alone, so where the kernel carries the packets none may be lost;
// with udp they flow only while flanneld runs.

import { millis, seconds } from "../src/base/brand.ts";
import type { Fault } from "./fault.ts";

/** From a start until it carries packets, on a machine that is busy. */
const START = seconds(10);

const COSTS_A_RESTART: Pick<Fault, "mayLose" | "recovery"> = {
  mayLose: (backend) => (backend === "udp" ? START : null),
  recovery: seconds(60),
};

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
      const status = await victim.daemon.stop(signal);
      if (status !== 0) throw new Error(`flanneld on ${victim.machine.name} ended with status ${status} on SIGTERM`);
      return async () => world.start(victim);
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
];
