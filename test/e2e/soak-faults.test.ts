// Every fault of a host that the soak injects, each once: it changes something, flanneld mends it or outlives it, and no
// more packets are lost than it may cost.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, describe, it, type TestContext } from "node:test";
import { run } from "../../lab/run.ts";
import { inNamespace, type Topology } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { readKernel } from "../../soak/condition.ts";
import { playEpisode, type Scene } from "../../soak/episode.ts";
import { type Fault, type FaultKind, type Setting, suits } from "../../soak/fault.ts";
import { FAULTS } from "../../soak/faults.ts";
import { formatEpisode } from "../../soak/report.ts";
import { readStart } from "../../soak/story.ts";
import { openSoakTopology, openWorld, type SoakHost } from "../../soak/world.ts";
import { millis, seconds } from "../../src/base/brand.ts";
import { LIMIT } from "../support/overlay-host.ts";

const { signal } = new AbortController();
/** flanneld mends them before anybody can look, unless it stands. */
const MENDED_AT_ONCE: readonly FaultKind[] = ["kernel", "underlay", "firewall"];

/** All that a fault of a host can change. */
async function look(victim: SoakHost, stands: boolean): Promise<string> {
  const { machine, daemon } = victim;
  const link = ["sh", "-c", "ip -o link show eth0 || true"];
  const kernel = [
    ...(await readKernel(victim, signal)),
    (await run(inNamespace(machine.namespace, link), {}, signal)).stdout,
  ];
  const stopped = () => /^State:\tT/m.test(readFileSync(`/proc/${daemon.pid}/status`, "utf8"));
  const state = !daemon.running() ? "ended" : !stands && stopped() ? "stands" : "runs";
  const refusals = daemon.log().match(/another flanneld/g)?.length ?? 0;
  return JSON.stringify([kernel, daemon.pid, state, refusals]);
}

/** The same, which fails when its injection changes nothing. What may be lost is counted from when flanneld can act. */
function proven(fault: Fault): Fault {
  const stands = MENDED_AT_ONCE.includes(fault.kind);
  return {
    ...fault,
    async inject(world, victim, signal) {
      const { pid } = victim.daemon;
      const before = await look(victim, stands);
      if (stands) process.kill(pid, "SIGSTOP");
      try {
        const undo = await fault.inject(world, victim, signal);
        const changed = async () => ((await look(victim, stands)) === before ? null : true);
        await waitFor(`what ${fault.name} changes`, changed, LIMIT, signal);
        return undo;
      } finally {
        if (stands) process.kill(pid, "SIGCONT");
      }
    },
  };
}

function suite(setting: Setting, kinds: readonly FaultKind[]): void {
  let topology: Topology | null = null;
  let scene: Scene | null = null;

  async function open(): Promise<Scene> {
    topology = await openSoakTopology(signal);
    const world = await openWorld(topology, setting, () => {}, signal);
    return { world, start: await readStart(world, signal) };
  }
  async function close(): Promise<void> {
    scene = null;
    await topology?.[Symbol.asyncDispose]();
    topology = null;
  }
  after(close);

  /** What one fault has broken for good must not count against the next. */
  async function play(fault: Fault, t: TestContext, duration = fault.lasts[0]) {
    scene ??= await open();
    const outcome = await playEpisode({ fault, host: 0, duration }, millis(0), scene, signal);
    if (outcome.episode) t.diagnostic(formatEpisode(outcome.episode));
    if (outcome.damage.length > 0) await close();
    return outcome;
  }

  for (const fault of FAULTS.filter((fault) => kinds.includes(fault.kind) && suits(fault, setting))) {
    it(`${fault.name}: ${fault.summary}`, async (t) => {
      const { damage, losses } = await play(proven(fault), t);
      assert.deepEqual([...damage, ...losses], []);
    });
  }

  if (setting.backend !== "vxlan") return;
  it("is found out when it is not mended in time", async (t) => {
    const deletion = FAULTS.find(({ name }) => name === "device-deleted") ?? assert.fail();
    const slow: Fault = {
      ...deletion,
      async inject(world, victim, signal) {
        process.kill(victim.daemon.pid, "SIGSTOP");
        await deletion.inject(world, victim, signal);
        return async () => void process.kill(victim.daemon.pid, "SIGCONT");
      },
    };
    const { damage, losses } = await play(slow, t, seconds(2.5));
    assert.deepEqual(damage, []);
    assert.match(losses.join("\n"), /^device-deleted on h1: lost between pods: h1-h2: \d+ packets/);
  });
}

// What happens to the underlay is tried with every backend in underlay.test.ts.
describe("a fault of a host with vxlan and iptables", () =>
  suite({ backend: "vxlan", members: 1, firewall: "iptables" }, [
    "flanneld",
    "files",
    "kernel",
    "underlay",
    "firewall",
  ]));
describe("a fault of a host with host-gw and nftables", () =>
  suite({ backend: "host-gw", members: 1, firewall: "nftables" }, ["kernel", "firewall"]));
describe("a fault of a host with udp and iptables", () =>
  suite({ backend: "udp", members: 1, firewall: "iptables" }, ["files", "kernel"]));
