// What can happen to the files that flanneld writes for others and for itself. Where the kernel carries the packets none
// may be lost.

import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LAUNCHER } from "../lab/flanneld.ts";
import { attempt, run } from "../lab/run.ts";
import { inNamespace } from "../lab/topology.ts";
import { waitFor } from "../lab/wait.ts";
import { millis, seconds } from "../src/base/brand.ts";
import { COSTS_A_RESTART } from "./daemon-faults.ts";
import type { Fault, Undo } from "./fault.ts";
import type { SoakHost, World } from "./world.ts";

const COST = { ...COSTS_A_RESTART, kind: "files" } as const;

export const FILE_FAULTS: readonly Fault[] = [
  {
    ...COST,
    name: "subnet-file-garbage",
    summary: "flanneld is killed, subnet.env becomes garbage, and flanneld is started",
    lasts: [millis(0), seconds(2)],
    async inject(world, victim, signal) {
      await victim.daemon.kill(signal);
      writeFileSync(victim.daemon.subnetFile, "FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUB\0");
      return async () => world.start(victim);
    },
  },
  {
    ...COST,
    name: "disk-full",
    summary:
      "flanneld is started where there is no room for subnet.env; then there is; then it is started where it was",
    lasts: [seconds(1), seconds(5)],
    inject: (world, victim, signal) =>
      moveToDisk(world, victim, { spoil: "head -c 1m /dev/zero >fill 2>/dev/null || true", mend: "rm fill" }, signal),
  },
  {
    ...COST,
    name: "disk-read-only",
    summary: "the same where nothing may be written",
    lasts: [seconds(1), seconds(5)],
    inject: (world, victim, signal) =>
      moveToDisk(world, victim, { spoil: "mount -o remount,ro .", mend: "mount -o remount,rw ." }, signal),
  },
];

/** Lines for a shell in the directory of the files. */
interface Ill {
  readonly spoil: string;
  readonly mend: string;
}

/** An interval of the daemon's attempts is at most this. */
const WRITE_LIMIT = seconds(40);
const REFUSAL = /cannot write the subnet file/;

/** A small file system that only the daemon sees, and that goes away with it; what the daemon remembers moves with it. */
async function moveToDisk(world: World, victim: SoakHost, { spoil, mend }: Ill, signal: AbortSignal): Promise<Undo> {
  const { directory } = victim.machine;
  const disk = join(directory, "disk");
  const expected = readFileSync(victim.daemon.subnetFile, "utf8");
  const prepare = `mount -t tmpfs -o size=64k tmpfs ${disk} && cd ${disk} && mkdir run && cp -r ../state state && ${spoil}`;
  const program = writeLauncher(directory, prepare);
  mkdirSync(disk, { recursive: true });
  await victim.daemon.kill(signal);
  world.start(victim, { program, flags: [`--subnet-file=${disk}/run/subnet.env`, `--state-dir=${disk}/state`] });
  const { daemon } = victim;
  await daemon.waitForLog(REFUSAL, WRITE_LIMIT, signal);
  const inside = (line: string) =>
    inNamespace(victim.machine.namespace, [
      "nsenter",
      "-t",
      `${daemon.pid}`,
      "-m",
      "sh",
      "-c",
      `cd ${disk} && ${line}`,
    ]);
  return async (signal) => {
    await run(inside(mend), {}, signal);
    const look = async () => (await attempt(inside("cat run/subnet.env"), {}, signal)).stdout === expected || null;
    await waitFor("the subnet file that there is room for now", look, WRITE_LIMIT, signal);
    await daemon.kill(signal);
    world.start(victim);
  };
}

function writeLauncher(directory: string, prepare: string): string {
  const program = join(directory, "on-small-disk");
  const script = `${prepare} && exec ${LAUNCHER} "$@"`;
  writeFileSync(program, `#!/bin/sh\nexec unshare -m sh -c '${script}' flanneld "$@"\n`);
  chmodSync(program, 0o755);
  return program;
}
