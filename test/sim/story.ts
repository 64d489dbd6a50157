// A random story of a cluster: one thing after another happens to it, then it is left in peace, and then everything must be
// as it should. SIM_SEED=n tells one story alone, with what happened in it.

import assert from "node:assert/strict";
import { minutes } from "../../src/base/brand.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { drawMischief, pick } from "./mischief.ts";
import { type BackendType, createWorld, type World } from "./world.ts";

/** With so many hosts all are started at once; the story could not pick each of them. */
export const LARGE = 100;
const STEPS = 40;

/** Past a resync, the longest retry delay, the next full list, and the time for which vanished peers are kept. */
const QUIET = minutes(17);

/** What a host says when a story gives its subnet to another. */
const ROBBED = "another host has the subnet of this host";

/** Everything answers, tells and runs again; hosts that have left the cluster stay away. */
async function quieten(world: World): Promise<void> {
  const { clock, store, hosts } = world;
  // An operator who switches the backend restarts every daemon.
  if (world.hasSwitched()) for (const host of hosts) await host.stop();
  store.connect();
  store.releaseEvents();
  for (const host of hosts) {
    host.deaf = false;
    host.blind = false;
    host.way.mend();
    if (host.member) host.start();
  }
  await clock.advance(QUIET);
  // Whoever has lost its subnet to another host gets a new one at its next start.
  for (const host of hosts) {
    if (!host.member || !host.isRobbed()) continue;
    await host.stop();
    host.start();
  }
  await clock.advance(QUIET);
}

/** The reconciler is the same for all; vxlan has more that can be broken. */
function backendOf(seed: number): BackendType {
  return (["vxlan", "host-gw", "vxlan", "udp"] as const)[seed % 4] ?? "vxlan";
}

async function simulate(
  seed: number,
  { fewest, most }: { readonly fewest: number; readonly most: number },
): Promise<{ readonly story: readonly string[]; readonly faults: readonly string[] }> {
  const random = createSeededRandom(seed);
  const world = createWorld(seed, random.integer(fewest, most), backendOf(seed));
  const story: string[] = [];
  const faults: string[] = [];
  if (world.hosts.length >= LARGE) for (const host of world.hosts) host.start();
  for (let step = 0; step < STEPS; step++) {
    const host = pick(world.hosts, random);
    if (!host) continue;
    const { name, run } = drawMischief(random);
    story.push(`${world.clock.monotonic()} ms: ${host.ip} ${name}`);
    await run(world, host, random);
    // Mostly the next thing happens while the last is still being dealt with.
    await world.clock.advance(random.integer(0, 9) === 0 ? random.integer(0, 120_000) : random.integer(0, 400));
    faults.push(...world.conflicts());
  }
  await quieten(world);
  faults.push(...world.conflicts());
  for (const host of world.hosts) {
    for (const fault of await host.faults()) faults.push(`${host.ip}: ${fault}`);
    const errors = host.log.messages("error").filter((message) => message !== ROBBED);
    for (const message of errors) faults.push(`${host.ip}: logged the error ${message}`);
  }
  await world.end();
  return { story, faults };
}

export async function holdsFor(seed: number, size: Parameters<typeof simulate>[1]): Promise<void> {
  const { story, faults } = await simulate(seed, size);
  const what = `SIM_SEED=${seed}\n${story.join("\n")}\n${faults.join("\n")}`;
  assert.deepEqual(faults, [], what);
}

/** The stories of a run. */
export function seedsOf(count: number): readonly number[] {
  const only = process.env["SIM_SEED"];
  return only === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(only)];
}
