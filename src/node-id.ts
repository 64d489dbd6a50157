// The id by which hosts with one public IP are told apart: drawn once and kept, and bound to the installation, so that a
// copy of the disk that was given a machine id of its own is another host.

import { createHash } from "node:crypto";
import { messageOf } from "./base/errors.ts";
import type { Logger } from "./base/log.ts";
import type { Random } from "./base/random.ts";
import type { StateDirectory } from "./state-directory.ts";
import type { NodeId } from "./subnet/lease.ts";

export interface NodeIdDeps {
  readonly state: StateDirectory;
  readonly readMachineId: () => Promise<string | null>;
  readonly random: Random;
  readonly log: Logger;
}

const FILE = "node-id";
const SEED = /^[0-9a-f]{32}$/;

/** Null when this host can keep nothing and has no machine id: it is then known by its public IP alone. */
export async function learnNodeId(deps: NodeIdDeps): Promise<NodeId | null> {
  const machine = await deps.readMachineId();
  const seed = await keepSeed(deps);
  return seed === null && machine === null ? null : nodeIdOf(seed, machine);
}

/** The id that this host has drawn; null when it has not drawn one yet, or it may not be read. Writes nothing. */
export async function readNodeId(deps: Pick<NodeIdDeps, "state" | "readMachineId">): Promise<NodeId | null> {
  const seed = (await deps.state.read(FILE).catch(() => null))?.trim();
  return seed !== undefined && SEED.test(seed) ? nodeIdOf(seed, await deps.readMachineId()) : null;
}

function nodeIdOf(seed: string | null, machine: string | null): NodeId {
  // systemd: a machine id is confidential and must not be shown; the hash of it may be.
  const hash = createHash("sha256")
    .update(`flannel node\n${seed ?? ""}\n${machine ?? ""}\n`)
    .digest("hex");
  return hash.slice(0, 32) as NodeId;
}

async function keepSeed({ state, random, log }: NodeIdDeps): Promise<string | null> {
  try {
    const known = (await state.read(FILE))?.trim();
    if (known !== undefined && SEED.test(known)) return known;
    const seed = Buffer.from(random.bytes(16)).toString("hex");
    await state.write(FILE, `${seed}\n`);
    return seed;
  } catch (error) {
    log.warn("cannot keep an id for this host; using the machine's alone", {
      path: `${state.path}/${FILE}`,
      reason: messageOf(error),
    });
    return null;
  }
}
