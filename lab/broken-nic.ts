// Gives a host of the lab a network card that leaves the checksums of packets in tunnels wrong (broken-nic.c).

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { seconds } from "../src/base/brand.ts";
import { compiledProgram } from "./compiled.ts";
import { inNamespace, ipBatch, type Machine, type Topology } from "./topology.ts";
import { waitFor } from "./wait.ts";

/**
 * From now on all that the host sends and receives goes through the card. Without segmentation offload, which a packet
 * socket cannot hand on for packets in tunnels.
 */
export async function fitBrokenNic(topology: Topology, host: Machine, signal: AbortSignal): Promise<AsyncDisposable> {
  const { switchNamespace } = topology;
  const [port, inside, outside] = [host.name, `${host.name}-in`, `${host.name}-out`];
  await ipBatch(host.namespace, ["link set eth0 gso_max_segs 1"], signal);
  await ipBatch(
    switchNamespace,
    [
      `link add ${inside} type veth peer name ${outside}`,
      `link set ${outside} gso_max_segs 1 master br0 up`,
      // Only the card is to see what comes in.
      `link set ${inside} arp off up`,
      `link set ${port} nomaster`,
      `link set ${port} arp off`,
    ],
    signal,
  );
  const [program = "", ...args] = inNamespace(switchNamespace, [compiledProgram("broken-nic"), port, inside]);
  const child = spawn(program, args, { detached: true, stdio: ["ignore", "pipe", "inherit"] });
  let isReady = false;
  createInterface({ input: child.stdout }).on("line", () => {
    isReady = true;
  });
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  await waitFor("the broken card", () => (isReady ? true : null), seconds(10), signal);
  return topology.own({
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await waitFor("the end of the card", () => (hasEnded() ? true : null), seconds(10), new AbortController().signal);
    },
  });
}
