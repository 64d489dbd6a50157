// The rules in the kernel, by the programs that a host has: both kinds of iptables, and nft.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { isError } from "../../src/base/errors.ts";
import { type IptablesFeatures, type IptablesKind, iptablesPlace, probeIptables } from "../../src/firewall/place.ts";
import { NO_RULES, type RuleSet } from "../../src/firewall/rule.ts";
import { runTool } from "../../src/firewall/tool.ts";
import { planRules } from "../../src/firewall/wanted-rules.ts";
import {
  BOTH,
  DUAL_STACK,
  FORWARD_JUMP,
  goForward,
  goMasquerade,
  isOurs,
  MASQ_JUMP,
  overlapping,
  SUBNET,
} from "../support/firewall.ts";
import { CHANGED, sh, UNCHANGED, WANT, WANT6 } from "../support/kernel-rules.ts";
import { whyNotHere } from "../support/namespace.ts";

const { signal } = new AbortController();
const deps = { runTool, clock: systemClock };

/** What Docker and firewalld have, with rules of an administrator before and after. */
const OTHERS = [
  "-t nat -N DOCKER",
  "-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
  "-t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
  "-t nat -A DOCKER -i docker0 -j RETURN",
  "-N DOCKER-USER",
  "-A FORWARD -j DOCKER-USER",
  "-A DOCKER-USER -j RETURN",
  "-P FORWARD DROP",
  "-N FWD_public",
  '-A FORWARD -i eth0 -m comment --comment "zone \\"public\\" of firewalld" -j FWD_public',
];

const lockDirectory = mkdtempSync(join(tmpdir(), "flannel-xtables-"));

function iptablesSuite(kind: IptablesKind): void {
  const iptables = `iptables${kind}`;
  let features: IptablesFeatures;
  before(async () => {
    features = (await probeIptables("ipv4", kind, deps, signal)) ?? assert.fail(`there is no ${iptables}`);
  });
  afterEach(() => {
    for (const table of ["nat", "filter"]) sh(`${iptables} -t ${table} -F && ${iptables} -t ${table} -X`);
    sh(`${iptables} -P FORWARD ACCEPT`);
  });

  const settle = (want: RuleSet, ours = isOurs) =>
    iptablesPlace("ipv4", kind, features, deps).settle(want, ours, signal);
  const put = (lines: readonly string[]) => {
    for (const line of lines) sh(`${iptables} -w ${line}`);
  };
  /** Chains and rules, without policies' counters. */
  const rules = (table: string) =>
    sh(`${iptables}-save -t ${table}`)
      .split("\n")
      .filter((line) => /^(:|-A)/.test(line))
      .map((line) => line.replace(/ \[.*\]$/, ""))
      .toSorted();
  const ofChain = (table: string, chain: string) =>
    sh(`${iptables} -t ${table} -S`)
      .split("\n")
      .filter((line) => line.startsWith(`-A ${chain}`));

  function assertInstalled(net = "10.5.0.0/16", pod = "10.5.7.0/24"): void {
    assert.deepEqual(ofChain("nat", "FLANNEL-POSTRTG"), goMasquerade(net, pod));
    assert.deepEqual(ofChain("filter", "FLANNEL-FWD"), goForward(net));
    assert.equal(ofChain("nat", "POSTROUTING").filter((line) => line === MASQ_JUMP).length, 1);
    assert.equal(ofChain("filter", "FORWARD").filter((line) => line === FORWARD_JUMP).length, 1);
  }

  it("tells its kind and its features", () => {
    assert.deepEqual(features, { kind: kind === "-nft" ? "nft" : "legacy", recent: true });
  });

  it("has the rules of the Go daemon, and nothing to do the second time", async () => {
    assert.deepEqual(await settle(WANT), CHANGED);
    assertInstalled();
    assert.deepEqual(await settle(WANT), UNCHANGED);
  });

  it("touches nothing of Docker, firewalld or an administrator, neither when rules come nor when they go", async () => {
    put(OTHERS);
    const before = [rules("nat"), rules("filter")];
    assert.deepEqual(await settle(WANT), CHANGED);
    assert.equal(ofChain("filter", "FORWARD").at(-1), FORWARD_JUMP);
    assert.equal(ofChain("nat", "POSTROUTING").at(-1), MASQ_JUMP);
    const isFlannel = (line: string) => line.includes("FLANNEL");
    assert.deepEqual(
      [rules("nat"), rules("filter")].map((lines) => lines.filter((line) => !isFlannel(line))),
      before,
    );
    assert.deepEqual(await settle(NO_RULES), CHANGED);
    assert.deepEqual([rules("nat"), rules("filter")], before);
    assert.deepEqual(await settle(NO_RULES), UNCHANGED);
  });

  it("takes over a Go daemon's rules for an old subnet and an old network, and leaves exactly ours", async () => {
    const old = goMasquerade("10.9.0.0/16", "10.9.1.0/24");
    put(["-t nat -N FLANNEL-POSTRTG", "-N FLANNEL-FWD", `-t nat ${MASQ_JUMP}`, FORWARD_JUMP]);
    put(goMasquerade("10.5.0.0/16", "10.5.99.0/24").map((line) => `-t nat ${line}`));
    put(old.map((line) => `-t nat ${line}`));
    put(goForward("10.9.0.0/16"));
    await settle(WANT, overlapping("10.5.0.0/16", "10.9.0.0/16"));
    assertInstalled();
    assert.deepEqual(ofChain("nat", "POSTROUTING"), [MASQ_JUMP]);
    assert.deepEqual(ofChain("filter", "FORWARD"), [FORWARD_JUMP]);
  });

  it("removes the rules of a Go daemon that had no chains of its own", async () => {
    const comment = '-m comment --comment "flanneld masq"';
    put([
      `-t nat -A POSTROUTING -s 10.5.0.0/16 -d 10.5.0.0/16 ${comment} -j RETURN`,
      `-t nat -A POSTROUTING -s 10.5.0.0/16 ! -d 224.0.0.0/4 ${comment} -j MASQUERADE --random-fully`,
      '-A FORWARD -s 10.5.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
    ]);
    await settle(WANT);
    assertInstalled();
    assert.deepEqual(ofChain("nat", "POSTROUTING"), [MASQ_JUMP]);
    assert.deepEqual(ofChain("filter", "FORWARD"), [FORWARD_JUMP]);
  });

  it("puts back what is flushed, changed, doubled or moved", async () => {
    const tamperings = [
      `${iptables} -F`,
      `${iptables} -t nat -F`,
      `${iptables} -t nat -F FLANNEL-POSTRTG`,
      `${iptables} -t nat -D FLANNEL-POSTRTG 3`,
      `${iptables} -t nat -I FLANNEL-POSTRTG -j RETURN`,
      `${iptables} -t nat -A FLANNEL-POSTRTG -s 10.5.0.0/16 -j ACCEPT`,
      `${iptables} -t nat -D POSTROUTING 1`,
      `${iptables} -A FORWARD -j FLANNEL-FWD`,
      `${iptables} -F FORWARD && ${iptables} -F FLANNEL-FWD && ${iptables} -X FLANNEL-FWD`,
    ];
    await settle(WANT);
    for (const tampering of tamperings) {
      sh(tampering);
      assert.deepEqual(await settle(WANT), CHANGED, tampering);
      assertInstalled();
      assert.deepEqual(await settle(WANT), UNCHANGED, tampering);
    }
  });

  it("follows another subnet", async () => {
    await settle(WANT);
    const moved = planRules("ipv4", DUAL_STACK, { ...SUBNET, v4: "10.5.8.0/24" as never }, BOTH, true);
    assert.deepEqual(await settle(moved), CHANGED);
    assertInstalled("10.5.0.0/16", "10.5.8.0/24");
  });

  it("has IPv6 rules", async () => {
    const place = iptablesPlace("ipv6", kind, features, deps);
    assert.deepEqual(await place.settle(WANT6, () => true, signal), CHANGED);
    assert.deepEqual(await place.settle(WANT6, () => true, signal), { changed: false, shadow: null });
    assert.deepEqual(await place.settle(NO_RULES, () => true, signal), CHANGED);
    assert.doesNotMatch(sh(`ip6tables${kind}-save`), /FLANNEL/);
  });

  it("keeps a chain to which a rule of somebody else leads, empty, and is done with it", async () => {
    await settle(WANT);
    put(["-N DOCKER-USER", "-A DOCKER-USER -i cni0 -j FLANNEL-FWD"]);
    assert.deepEqual(await settle(NO_RULES), CHANGED);
    assert.deepEqual(await settle(NO_RULES), UNCHANGED);
    assert.deepEqual(ofChain("filter", "FLANNEL-FWD"), []);
    assert.equal(ofChain("filter", "DOCKER-USER").length, 1);
  });
}

describe("the firewall", { skip: whyNotHere() }, () => {
  before(() => {
    // The machine's own lock is not ours to take.
    process.env["XTABLES_LOCKFILE"] = join(lockDirectory, "lock");
  });
  after(() => rmSync(lockDirectory, { recursive: true }));

  describe("with iptables-nft", () => iptablesSuite("-nft"));
  describe("with iptables-legacy", () => {
    iptablesSuite("-legacy");

    it("waits for the lock, says so when it is held too long, and goes on when it is free", async () => {
      const holder = spawn("flock", [join(lockDirectory, "lock"), "sleep", "60"], { detached: true });
      try {
        const isHeld = () => {
          try {
            sh(`flock -n ${join(lockDirectory, "lock")} true`);
            return null;
          } catch {
            return true;
          }
        };
        await waitFor("the lock to be held", isHeld, seconds(10), signal);
        const place = iptablesPlace("ipv4", "-legacy", { kind: "legacy", recent: true }, deps);
        await assert.rejects(place.settle(WANT, isOurs, signal), (error) => {
          assert.ok(isError(error, "firewall.failed"));
          assert.match(error.message, /^iptables-legacy-restore failed: exit status 4: .*lock/);
          return true;
        });
        process.kill(-(holder.pid ?? 0), "SIGKILL");
        assert.deepEqual(await place.settle(WANT, isOurs, signal), CHANGED);
      } finally {
        if (holder.exitCode === null && holder.signalCode === null) process.kill(-(holder.pid ?? 0), "SIGKILL");
      }
    });
  });

  it("says that there is no such program", async () => {
    assert.deepEqual(await runTool(["no-such-tool"], "", signal), { kind: "missing" });
  });

  it("takes a program that cannot be started for one that has failed, whatever the reason", async () => {
    const loop = join(lockDirectory, "loop");
    symlinkSync(loop, loop);
    const isTriedAgain = (error: unknown) => isError(error, "firewall.failed") && /ELOOP/.test(error.message);
    await assert.rejects(runTool([loop], "", signal), isTriedAgain);
    await assert.rejects(runTool([loop], "some input", signal), isTriedAgain);
  });

  it("ends a program that runs when the daemon is stopped", async () => {
    const stop = new AbortController();
    const running = runTool(["sleep", "600"], "", stop.signal);
    stop.abort(new Error("stopped"));
    await assert.rejects(running, /stopped/);
  });

  it("waits for none that has left a child with its output", { timeout: 60_000 }, async () => {
    const file = join(lockDirectory, "child");
    const stop = new AbortController();
    const running = runTool(["sh", "-c", `sleep 120 & echo $! > ${file}; wait`], "", stop.signal);
    const look = () => (existsSync(file) && Number(readFileSync(file, "utf8"))) || null;
    const pid = await waitFor("the child", look, seconds(20), signal);
    try {
      stop.abort(new Error("enough"));
      await assert.rejects(running, /enough/);
    } finally {
      process.kill(pid, "SIGKILL");
    }
  });

  it("hands no secret of ours to the programs", async () => {
    process.env["FLANNELD_ETCD_PASSWORD"] = "secret";
    const result = await runTool(["env"], "", signal);
    delete process.env["FLANNELD_ETCD_PASSWORD"];
    assert.ok(result.kind === "ended" && !result.stdout.includes("secret") && result.stdout.includes("PATH="));
  });
});
