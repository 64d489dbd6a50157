// What can be done to the network between etcd and the hosts of a cluster, and what a host under test must keep doing.

import assert from "node:assert/strict";
import { run } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { type Millis, seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { Cluster } from "./cluster.ts";
import type { OverlayHost } from "./overlay-host.ts";
import { startTraffic, type Traffic } from "./traffic.ts";

export interface Firewall {
  /** Drops what the hosts and etcd send each other, silently: nobody is told. */
  drop(): Promise<void>;
  /** Drops the packets of the connections that there are, as a box does that has forgotten them. New ones pass. */
  forget(): Promise<void>;
  pass(): Promise<void>;
}

/** In etcd's namespace, for what goes over the switch. */
export function firewallOf(cluster: Cluster, signal: AbortSignal): Firewall {
  const { namespace } = cluster.topology.etcd;
  const nft = (rules: string) => run(inNamespace(namespace, ["nft", "-f", "-"]), { input: rules }, signal);
  const block = (arriving: string, leaving: string) =>
    nft(`table inet fault {
      chain arriving { type filter hook input priority 0; iifname eth0 ${arriving} drop; }
      chain leaving { type filter hook output priority 0; oifname eth0 ${leaving} drop; }
    }\n`);
  return {
    drop: async () => void (await block("meta l4proto tcp", "meta l4proto tcp")),
    async forget() {
      const { stdout } = await run(inNamespace(namespace, ["ss", "-Htn", "state", "established"]), {}, signal);
      const there = cluster.topology.etcd.address.replaceAll(".", "\\.");
      // Its columns: what waits to be read, to be sent, the near end, the far end.
      const far = [...stdout.matchAll(new RegExp(`\\s${there}:\\d+\\s+\\d[\\d.]*:(\\d+)\\s*$`, "gm"))].map(
        ([, port]) => port,
      );
      assert.ok(far.length > 0, stdout);
      await block(`tcp sport { ${far.join(", ")} }`, `tcp dport { ${far.join(", ")} }`);
    },
    pass: async () => void (await nft("delete table inet fault\n")),
  };
}

export interface Untouched extends Disposable {
  /** Asserts that no packet was lost since, and that the host looks as it did. */
  lostNothing(): Promise<void>;
  /** The same, and that its daemon has not changed anything on the way. */
  wasUntouched(): Promise<void>;
}

/** Watches the data plane from the first host to the second. `opsOf` counts what the daemon has changed in the kernel. */
export async function watchDataPlane(
  cluster: Cluster,
  host: OverlayHost,
  opsOf: () => Promise<number>,
): Promise<Untouched> {
  const [first] = cluster.hosts;
  assert.ok(first);
  const before = { state: await host.state(), ops: await opsOf() };
  const { base } = await host.peer(1);
  const traffic: Traffic = await startTraffic(first.namespace, base);
  const lostNothing = async () => {
    const { sent, lost } = await traffic.stop();
    assert.deepEqual(lost, [], `of ${sent}`);
    await host.becomes(before.state);
  };
  return {
    lostNothing,
    async wasUntouched() {
      await lostNothing();
      assert.equal(await opsOf(), before.ops);
    },
    [Symbol.dispose]: () => traffic[Symbol.dispose](),
  };
}

/** Where a test says what it has measured. */
export interface Diagnostics {
  diagnostic(message: string): void;
}

/** The work must take less than the limit. */
export async function within(
  limit: Millis,
  what: string,
  test: Diagnostics,
  work: () => Promise<unknown>,
): Promise<void> {
  const begun = systemClock.monotonic();
  await work();
  const took = Math.round(systemClock.monotonic() - begun);
  test.diagnostic(`${what} took ${took} ms`);
  assert.ok(took < limit, `${what} took ${took} ms`);
}

/** etcd is to be followed again so soon after its return. */
export const RESYNC = seconds(5);
