// What can happen to a whole host, with flanneld on it: it is rebooted, installed anew, or another program has what it
// needs. Packets for its pods are lost until flanneld has everything back.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { millis, seconds } from "../src/base/brand.ts";
import { START } from "./daemon-faults.ts";
import type { Fault } from "./fault.ts";
import { onHost } from "./host-shell.ts";
import { holdPort } from "./port-holder.ts";
import { withMac } from "./record-faults.ts";
import type { SoakHost, World } from "./world.ts";

/** How long the last run of a host is asked after when its record may be somebody else's. */
const CHALLENGE = seconds(20);

export const HOST_FAULTS: readonly Fault[] = [
  {
    name: "host-rebooted",
    kind: "flanneld",
    summary: "as after a reboot: flanneld, what it has made, and subnet.env are gone; flanneld is started",
    lasts: [millis(0), seconds(3)],
    mayLose: () => START,
    recovery: seconds(60),
    async inject(world, victim, signal) {
      await loseState(world, victim, signal);
      return async () => world.start(victim);
    },
  },
  {
    name: "host-wiped",
    kind: "flanneld",
    summary: "as after a reboot, and the state directory is gone, too: the record is asked for for 20 s",
    lasts: [millis(0), millis(0)],
    mayLose: () => millis(CHALLENGE + START),
    recovery: seconds(90),
    async inject(world, victim, signal) {
      await loseState(world, victim, signal);
      forget(victim);
      return async () => world.start(victim);
    },
  },
  {
    name: "host-reinstalled",
    kind: "flanneld",
    summary:
      "one host is installed anew: same address, another MAC in its record, which peers follow; later the first again",
    lasts: [millis(START + 2000), millis(START + 5000)],
    mayLose: () => START,
    mendedMeanwhile: true,
    recovery: seconds(60),
    backends: ["vxlan"],
    async inject(world, victim, signal) {
      await reinstall(world, victim, "02:00:00:00:07:04", signal);
      return (signal) => reinstall(world, victim, victim.mac ?? "", signal);
    },
  },
  {
    name: "port-taken",
    kind: "flanneld",
    summary: "another program has the UDP port when flanneld is started, and gives it back",
    lasts: [seconds(1), seconds(4)],
    mayLose: () => START,
    recovery: seconds(60),
    backends: ["vxlan", "udp"],
    inject: takePort,
  },
];

/** What a reboot leaves of each backend is nothing. */
const REBOOT: Readonly<Record<string, string>> = {
  vxlan: "ip link del $DEV",
  "host-gw": "ip route flush proto 70",
  udp: "ip link del $DEV",
};

async function loseState(world: World, victim: SoakHost, signal: AbortSignal): Promise<void> {
  await victim.daemon.kill(signal);
  await onHost(world, victim, REBOOT[world.backend] ?? "", signal);
  rmSync(victim.daemon.subnetFile, { force: true });
}

function forget({ machine }: SoakHost): void {
  rmSync(join(machine.directory, "state"), { recursive: true, force: true });
}

/** As a daemon leaves it that writes no id into its record: whoever comes next under the address goes on with it. */
async function reinstall(world: World, victim: SoakHost, mac: string, signal: AbortSignal): Promise<void> {
  const { store } = world;
  await loseState(world, victim, signal);
  forget(victim);
  const record = (await store.readRecords(signal)).find(({ key }) => key === victim.key);
  if (!record) throw new Error(`${victim.machine.name} has no record although all was well`);
  const { NodeID: _, ...rest } = JSON.parse(withMac(record.value, mac));
  await store.putRecord(victim.key, JSON.stringify(rest), record.leaseId, signal);
  world.start(victim);
}

const REFUSAL_LIMIT = seconds(30);
const PORTS: Readonly<Record<string, number>> = { vxlan: 8472, udp: 8285 };

/** vxlan waits for the port; udp refuses to start, and is started again by whoever supervises it. */
async function takePort(world: World, victim: SoakHost, signal: AbortSignal) {
  await victim.daemon.kill(signal);
  // The kernel keeps the port for a vxlan device that is there.
  if (world.backend === "vxlan") await onHost(world, victim, "ip link del $DEV", signal);
  const holder = world.topology.own(await holdPort(victim.machine.namespace, PORTS[world.backend] ?? 0, signal));
  world.start(victim);
  if (world.backend === "udp") await victim.daemon.ended(signal);
  else await victim.daemon.waitForLog(/has UDP port 8472/, REFUSAL_LIMIT, signal);
  return async () => {
    await holder[Symbol.asyncDispose]();
    if (world.backend === "udp") world.start(victim);
  };
}
