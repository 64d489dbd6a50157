// firewalld itself on a host of the overlay, with each of its backends. What it forbids is told by `flanneld check`, the
// commands that check names are enough, and what firewalld does later takes nothing away for longer than it needs.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { addPod, type Pod } from "../../lab/cni.ts";
import { ping } from "../../lab/ping.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { commandsOf } from "../support/guide.ts";
import { type NeighbourHost, type NeighbourHosts, openNeighbourHosts } from "../support/neighbours.ts";
import { ROOT } from "../support/packages.ts";
import { startTraffic } from "../support/traffic.ts";

const { signal } = new AbortController();
const LIMIT = seconds(60);
const CONFIG = { Network: "10.5.0.0/16", Backend: { Type: "vxlan" } };

let open: NeighbourHosts;
/** Where firewalld is. */
let host: NeighbourHost;
let pods: readonly [Pod, Pod];

const answers = async (from: Pod, to: string) => (await ping(from.namespace, to, { count: 1 }, signal)).received === 1;
/** Each ping is a connection of its own. */
async function ways(): Promise<Readonly<Record<"in" | "out" | "world", boolean>>> {
  const [near, far] = pods;
  return {
    in: await answers(far, near.address),
    out: await answers(near, far.address),
    world: await answers(near, open.cluster.topology.etcd.address),
  };
}
const ALL = { in: true, out: true, world: true };
const NONE = { in: false, out: false, world: false };

function becomes(wanted: typeof ALL): Promise<boolean> {
  const look = async () => (JSON.stringify(await ways()) === JSON.stringify(wanted) ? true : null);
  return waitFor(`pings to be answered as in ${JSON.stringify(wanted)}`, look, LIMIT, signal);
}

interface Check {
  readonly name: string;
  readonly verdict: string;
  readonly sentence: string;
  readonly remedy: string | null;
}

/** What is said of the rules. */
async function ruleChecks(): Promise<readonly [forward: Check, input: Check]> {
  const { stdout } = await host.attempt("flanneld", "check", "--json");
  const { checks } = JSON.parse(stdout) as { readonly checks: readonly Check[] };
  const find = (name: string) => checks.find((one) => one.name === name) ?? assert.fail(stdout);
  return [find("forward-rules"), find("input-rules")];
}

/** Rules of ours; the kind of iptables and their order do not matter. */
const ownRules = async () =>
  (await host.on("iptables-save"))
    .split("\n")
    .filter((line) => /^-A .*FLANNEL/.test(line))
    .sort();

before(async () => {
  open = await openNeighbourHosts(2, CONFIG, "FLANNELD_IP_MASQ=true\n", signal);
  const [first, second] = open.hosts as [NeighbourHost, NeighbourHost];
  host = first;
  const add = ({ debian, subnetFile }: NeighbourHost) => addPod(debian.machine, "pod", subnetFile(), signal);
  pods = [await add(first), await add(second)];
  await becomes(ALL);
});
after(async () => open?.[Symbol.asyncDispose]());

/** What firewalld does meanwhile, under pings from the other host and to the world. */
async function lossDuring(t: TestContext, ...command: readonly string[]): Promise<void> {
  const [near, far] = pods;
  const pings = [
    await startTraffic(far.namespace, near.address),
    await startTraffic(near.namespace, open.cluster.topology.etcd.address),
  ];
  await host.on(...command);
  await becomes(ALL);
  const counts = await Promise.all(pings.map((one) => one.stop()));
  t.diagnostic(`${command.join(" ")}: lost ${counts.map(({ lost, sent }) => `${lost.length} of ${sent}`).join(", ")}`);
}

for (const backend of ["nftables", "iptables"]) {
  describe(`firewalld with its backend ${backend}`, () => {
    let whole: readonly string[];
    let remedies: readonly (string | null)[];

    before(async () => {
      whole = await ownRules();
      await host.on("sed", "-i", `s/^FirewallBackend=.*/FirewallBackend=${backend}/`, "/etc/firewalld/firewalld.conf");
    });
    after(async () => {
      await host.on("systemctl", "stop", "firewalld.service");
      await host.on("sh", "-c", "rm -rf /etc/firewalld/zones/*");
      await becomes(ALL);
    });

    it("lets nothing of the overlay pass, and check says whose doing that is", async () => {
      await host.on("systemctl", "start", "firewalld.service");
      await becomes(NONE);
      const [forward, input] = await ruleChecks();
      remedies = [forward.remedy, input.remedy];
      assert.equal(forward.verdict, "fail", forward.sentence);
      assert.match(forward.sentence, /^firewalld rejects forwarded packets of the overlay in its zone public, /);
      assert.equal(input.verdict, "fail", input.sentence);
      assert.match(input.sentence, /^UDP port 8472, .* is not let in: firewalld rejects it in its zone public$/);
    });

    it("lets all of it pass once it was told what check says to tell it", async () => {
      const documented = commandsOf(readFileSync(join(ROOT, "docs/firewall.md"), "utf8"), "firewalld");
      for (const remedy of remedies) {
        for (const command of remedy?.split("; ") ?? []) assert.ok(documented.includes(`${command}\n`), command);
        await host.on("sh", "-c", remedy ?? "false");
      }
      await becomes(ALL);
      const verdicts = (await ruleChecks()).map(({ verdict }) => verdict);
      assert.deepEqual(verdicts, ["ok", "ok"]);
    });

    it("gets our rules back after it was loaded again or restarted, and all connections can be made", async (t) => {
      await lossDuring(t, "firewall-cmd", "--reload");
      await lossDuring(t, "firewall-cmd", "--complete-reload");
      await lossDuring(t, "systemctl", "restart", "firewalld.service");
      const look = async () => (JSON.stringify(await ownRules()) === JSON.stringify(whole) ? true : null);
      await waitFor("all of our rules", look, LIMIT, signal);
    });

    it("is as well off with the devices in the zone trusted instead of the network", async () => {
      await host.on("firewall-cmd", "--permanent", "--zone=trusted", "--remove-source=10.5.0.0/16");
      const devices = ["--add-interface=flannel.1", "--add-interface=cni0"];
      await host.on("firewall-cmd", "--permanent", "--zone=trusted", ...devices);
      await host.on("firewall-cmd", "--reload");
      await becomes(ALL);
    });
  });
}
