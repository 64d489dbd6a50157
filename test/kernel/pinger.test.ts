// The real pinger: this namespace, a router in another one, and hosts in a third.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { parseIpv4 } from "../../src/base/ip.ts";
import { parseIpv6 } from "../../src/base/ipv6.ts";
import { systemRandom } from "../../src/base/random.ts";
import type { Pinger } from "../../src/icmp/pinger.ts";
import { openRawPinger } from "../../src/icmp/raw-pinger.ts";
import { type PingerFixture, pingerContract } from "../contract/pinger.ts";
import { ip, whyNotHere } from "../support/namespace.ts";

const ROUTER = `pinger-${process.pid}-r`;
const FAR = `pinger-${process.pid}-f`;
const deps = { clock: systemClock, random: systemRandom };

function inside(namespace: string, line: string): void {
  execFileSync("ip", ["netns", "exec", namespace, "sh", "-c", line], { stdio: ["ignore", "pipe", "pipe"] });
}

/** This namespace is 10.9.1.3 behind the router 10.9.1.1; 10.9.1.2 is the router's second address. */
function build(): void {
  for (const name of [ROUTER, FAR]) ip(`netns add ${name}`);
  ip("link set lo up");
  ip(`link add up0 type veth peer name down0 netns ${ROUTER}`);
  ip(`-n ${ROUTER} link add narrow0 mtu 1400 type veth peer name narrow0 netns ${FAR}`);
  ip(`-n ${ROUTER} link add wide0 type veth peer name wide0 netns ${FAR}`);
  ip("addr add 10.9.1.3/24 dev up0");
  ip("addr add fd00::3/64 dev up0 nodad");
  ip("link set up0 up");
  ip("route add default via 10.9.1.1");
  inside(
    ROUTER,
    `ip link set lo up; ip addr add 10.9.1.1/24 dev down0; ip addr add 10.9.1.2/24 dev down0
     ip addr add fd00::2/64 dev down0 nodad; ip link set down0 up
     ip addr add 10.9.2.1/24 dev narrow0; ip link set narrow0 up
     ip addr add 10.9.3.1/24 dev wide0; ip link set wide0 up
     ip route add blackhole 10.9.4.0/24; echo 1 > /proc/sys/net/ipv4/ip_forward
     nft 'add table ip t; add chain ip t f { type filter hook forward priority 0; }'
     nft 'add rule ip t f ip daddr 10.9.3.2 ip length > 1400 drop; add rule ip t f ip daddr 10.9.4.0/24 drop'`,
  );
  inside(
    FAR,
    `ip link set narrow0 mtu 1400; ip addr add 10.9.2.2/24 dev narrow0; ip link set narrow0 up
     ip addr add 10.9.3.2/24 dev wide0; ip link set wide0 up; ip route add 10.9.1.0/24 via 10.9.3.1`,
  );
}

describe("the pinger", { skip: whyNotHere() }, () => {
  let pinger: Pinger;
  let fixture: PingerFixture;

  before(async () => {
    build();
    pinger = await openRawPinger(deps);
    fixture = {
      pinger,
      near: parseIpv4("10.9.1.2"),
      near6: parseIpv6("fd00::2"),
      narrow: parseIpv4("10.9.2.2"),
      router: "10.9.1.1",
      hole: parseIpv4("10.9.3.2"),
      dead: parseIpv4("10.9.4.2"),
      wait: (work) => work,
    };
  });

  after(() => {
    pinger?.[Symbol.dispose]();
    for (const name of [ROUTER, FAR]) spawnSync("ip", ["netns", "del", name]);
  });

  pingerContract(() => fixture);

  it("leaves no socket to the programs that it starts", () => {
    // Those below 3 are Node's own way to its children.
    const { stdout } = spawnSync("sh", ["-c", "ls -l /proc/self/fd"], { encoding: "utf8" });
    assert.doesNotMatch(stdout, / ([3-9]|\d\d+) -> socket:/);
    assert.match(execFileSync("ls", ["-l", "/proc/self/fd"], { encoding: "utf8" }), / 1 -> /, "the list is one");
  });

  it("says who refuses", async () => {
    execFileSync("ip", ["netns", "exec", ROUTER, "ip", "route", "add", "prohibit", "10.9.5.0/24"]);
    const outcome = await pinger.ping(parseIpv4("10.9.5.2"), 84, seconds(10), new AbortController().signal);
    assert.deepEqual(outcome, { kind: "unreachable", reason: "forbidden by an administrator", from: "10.9.1.1" });
  });

  it("does not send while no socket can be had, and does so later", () => {
    const script = `import { closeSync, openSync } from "node:fs";
      const [{ openRawPinger }, { systemClock }, { systemRandom }] = await Promise.all(
        ["icmp/raw-pinger", "base/clock", "base/random"].map((name) => import("${import.meta.dirname}/../../src/" + name + ".js")));
      const pinger = await openRawPinger({ clock: systemClock, random: systemRandom });
      const ping = async () => console.log(JSON.stringify(await pinger.ping("fd00::2", 84, 10_000, new AbortController().signal)));
      const open = [];
      try { for (;;) open.push(openSync("/dev/null")); } catch {}
      const first = ping();
      for (const one of open) closeSync(one);
      await first;
      await ping();
      pinger[Symbol.dispose]();`;
    const limited = ["--nofile=100", process.execPath, "--input-type=module", "-e", script];
    const { stdout, stderr } = spawnSync("prlimit", limited, { encoding: "utf8" });
    const [first, second] = stdout.split("\n");
    assert.equal(first, '{"kind":"unsent","reason":"too many open files"}', stderr);
    assert.match(second ?? "", /^{"kind":"reply"/, stderr);
  });

  it("that may not be opened says which right is missing", () => {
    const script = `import("${import.meta.dirname}/../../src/icmp/raw-pinger.js").then(({ openRawPinger }) =>
      openRawPinger({ clock: null, random: { integer: () => 1 } })).catch((error) => console.log(error.code, error.message))`;
    const drop = ["--bounding-set=-net_raw", "--inh-caps=-net_raw", process.execPath, "-e", script];
    const { stdout, stderr } = spawnSync("setpriv", drop, { encoding: "utf8" });
    assert.match(stdout, /^privilege\.missing needs the capability CAP_NET_RAW to send pings: /, stderr);
  });
});
