import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createVxlan } from "../../src/backends/vxlan.ts";
import type { Options } from "../../src/cli/options.ts";
import { createPublisher, type PublisherDeps } from "../../src/publisher.ts";
import { createEventRing } from "../../src/status/events.ts";
import { createStatusBoard } from "../../src/status-board.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { NETWORK, SELF, underlayAt } from "../support/vxlan-host.ts";

const PATH = "/run/flannel/subnet.env";
const TEXT = "FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.52.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";

const unused = () => assert.fail("the publisher has no business with this port");

function start({ write = () => {}, isUp = true }: { readonly write?: () => void; readonly isUp?: boolean } = {}) {
  const clock = createFakeClock();
  const log = createCapturedLog();
  const stop = new AbortController();
  const done: string[] = [];
  let file: string | null = null;
  let raise = () => {};
  const device = isUp
    ? Promise.resolve()
    : new Promise<void>((resolve) => {
        raise = resolve;
      });
  const notify = (state: string) => {
    if (!state.startsWith("STATUS=")) done.push(state);
  };
  const board = createStatusBoard(() => {});
  for (const topic of ["config", "lease", "device"] as const) board.set(topic, null);
  const deps: PublisherDeps = {
    clock,
    log,
    random: createSeededRandom(1),
    board,
    notify,
    ready: () => device,
    writeSubnetFile: async (path, text) => {
      write();
      done.push(`${path}\n${text}`);
      file = text;
    },
    openStateDirectory: unused,
    readMachineId: unused,
    readSubnetFile: async () => file,
    openStore: unused,
    openKernel: unused,
    openPinger: unused,
    openHealth: unused,
    openControl: unused,
    releaseFreeMemory: unused,
    readProcess: unused,
    readDevice: unused,
    logLevel: { get: unused, set: unused },
    logTrouble: unused,
    events: createEventRing({ clock }),
    openDatapath: unused,
    openPacketSocket: unused,
    onReportRequest: unused,
    onReloadRequest: unused,
    watchdog: null,
    lockInstance: unused,
    lockDevices: unused,
    carriedDevices: unused,
    hasCapability: unused,
    runTool: unused,
    hasBridgeFilter: unused,
    sysctls: unused,
    watchForwarding: unused,
    openHostSight: unused,
    watchRules: unused,
    ruleGeneration: unused,
  };
  const options = { subnetFile: PATH, ipMasq: true } as Options;
  const published = { network: NETWORK, underlay: underlayAt(SELF.attrs.publicIp), subnet: SELF.subnet };
  let backend = createVxlan({});
  const publisher = createPublisher(options, () => ({ ...published, backend }), deps);
  const running = publisher.run(stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
  });
  return {
    clock,
    log,
    done,
    running,
    stop,
    raise: () => raise(),
    file: () => file,
    setFile: (text: string | null) => {
      file = text;
    },
    touch: publisher.touch,
    changeBackend(options: Parameters<typeof createVxlan>[0]) {
      backend = createVxlan(options);
      publisher.touch();
    },
    notReady: () =>
      board.readiness().checks.flatMap(({ name, reason }) => (reason === null ? [] : [`${name}: ${reason}`])),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}

describe("the publisher", () => {
  it("writes the subnet file before it says that the daemon is ready", async () => {
    await using host = start();
    await host.clock.advance(0);
    assert.deepEqual(host.done, [`${PATH}\n${TEXT}`, "READY=1"]);
    assert.deepEqual(host.notReady(), []);
    assert.deepEqual(host.log.messages(), ["wrote the subnet file", "flannel is ready"]);
  });

  it("says nothing before the device is up", async () => {
    await using host = start({ isUp: false });
    await host.clock.advance(60_000);
    assert.deepEqual(host.done, []);
    assert.deepEqual(host.notReady(), ["subnet-file: not yet"]);
    host.raise();
    await host.clock.advance(0);
    assert.equal(host.done.at(-1), "READY=1");
  });

  it("is not ready while the file cannot be written, tries again, and is ready once it can", async () => {
    let attempts = 0;
    let full = true;
    const write = () => {
      attempts += 1;
      if (full) throw new Error("ENOSPC: no space left on device");
    };
    await using host = start({ write });
    await host.clock.advance(50_000);
    assert.deepEqual(host.done, []);
    assert.deepEqual(host.notReady(), ["subnet-file: ENOSPC: no space left on device"]);
    assert.ok(attempts >= 5, `${attempts} attempts`);
    assert.deepEqual(host.log.messages(), ["cannot write the subnet file"]);
    assert.deepEqual(host.log.lines[0]?.fields, { reason: "ENOSPC: no space left on device", path: PATH });
    full = false;
    await host.clock.advance(30_000);
    assert.deepEqual(host.done, [`${PATH}\n${TEXT}`, "READY=1"]);
    assert.deepEqual(host.notReady(), []);
    assert.ok(host.log.messages("info").includes("the subnet file is written"));
  });

  it("writes the file again when what it says has changed, and only then", async () => {
    await using host = start();
    await host.clock.advance(0);
    host.touch();
    await host.clock.advance(0);
    assert.equal(host.done.length, 2);
    host.changeBackend({ MTU: 1400 });
    await host.clock.advance(0);
    assert.deepEqual(host.done.slice(2), [`${PATH}\n${TEXT.replace("1450", "1350")}`]);
  });

  it("writes the file again when somebody has deleted or changed it, and floods no log in a fight over it", async () => {
    await using host = start();
    await host.clock.advance(0);
    host.setFile(null);
    await host.clock.advance(15_000);
    assert.equal(host.file(), TEXT);
    const told = () => host.log.lines.filter(({ message }) => message === "the subnet file is written again");
    assert.deepEqual(told()[0]?.fields, { reason: "somebody has deleted it", path: PATH });
    await host.clock.advance(60_000);
    assert.equal(host.done.length, 3);
    for (let look = 0; look < 240; look++) {
      host.setFile("FLANNEL_SUBNET=10.9.1.1/24\n");
      await host.clock.advance(15_000);
    }
    assert.equal(host.file(), TEXT);
    assert.ok(told().length < 10, `${told().length} lines in an hour`);
  });

  it("ends when it is stopped, whatever it waits for", async () => {
    const published = start();
    await published.clock.advance(0);
    published.stop.abort();
    await published.running;

    const failing = start({
      write: () => {
        throw new Error("EROFS");
      },
    });
    await failing.clock.advance(1000);
    failing.stop.abort(new Error("stopped"));
    await failing.running;
    assert.equal(failing.clock.sleepers(), 0);
    assert.deepEqual(failing.done, []);
  });
});
