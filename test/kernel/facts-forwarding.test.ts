// What we rely on the kernel to do with packets that come in for others (check/forwarding.ts): pings from one namespace to
// another through this one.

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { after, before, beforeEach, describe, it } from "node:test";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { ip, whyNotHere } from "../support/namespace.ts";

const { signal } = new AbortController();
/** Linux 6.17. */
const HAS_FORCE = existsSync("/proc/sys/net/ipv6/conf/all/force_forwarding");

const write = (path: string, value: string) => writeFileSync(`/proc/sys/net/${path}`, value);

/** A network namespace of its own that lasts as long as the process. */
async function openNeighbour(dev: string, third: number): Promise<ChildProcess> {
  const child = spawn("unshare", ["-n", "sleep", "600"], { stdio: "ignore" });
  const pid = String(child.pid);
  const isApart = () =>
    spawnSync("sh", ["-c", `[ "$(readlink /proc/${pid}/ns/net)" != "$(readlink /proc/$$/ns/net)" ]`]);
  await waitFor("the namespace", () => isApart().status === 0 || null, seconds(10), signal);
  ip(`link add ${dev}0 type veth peer name ${dev}1 netns ${pid}`);
  ip(`addr add 10.9.${third}.1/24 dev ${dev}0`);
  ip(`-6 addr add fd09:${third}::1/64 dev ${dev}0 nodad`);
  ip(`link set ${dev}0 up`);
  const inside = [
    "ip link set lo up",
    `ip link set ${dev}1 up`,
    `ip addr add 10.9.${third}.2/24 dev ${dev}1`,
    `ip -6 addr add fd09:${third}::2/64 dev ${dev}1 nodad`,
    `ip route add default via 10.9.${third}.1`,
    `ip -6 route add default via fd09:${third}::1`,
  ];
  assert.equal(spawnSync("nsenter", ["-t", pid, "-n", "sh", "-ec", inside.join("\n")], { stdio: "inherit" }).status, 0);
  return child;
}

describe("the kernel and packets for others", { skip: whyNotHere() }, () => {
  let near: ChildProcess;
  let far: ChildProcess;

  before(async () => {
    near = await openNeighbour("in", 1);
    far = await openNeighbour("out", 2);
  });
  after(() => {
    // Before the namespaces, which take their ends with them.
    for (const dev of ["in0", "out0"]) ip(`link del ${dev}`);
    for (const child of [near, far]) child?.kill("SIGKILL");
  });
  beforeEach(() => {
    for (const value of ["0", "1"]) {
      write("ipv4/ip_forward", value);
      write("ipv6/conf/all/forwarding", value);
    }
  });

  /** Whether a packet of the near one, which comes in by in0, gets through, and the answer, which comes in by out0. */
  const passes = (address: string) => {
    const ping = ["ping", "-n", "-q", "-c", "1", "-W", "1", address];
    return spawnSync("nsenter", ["-t", String(near.pid), "-n", ...ping]).status === 0;
  };
  /** Within the time that addresses and neighbours need. */
  const passesSoon = (address: string) =>
    waitFor(`a ping to ${address}`, () => passes(address) || null, seconds(10), signal);

  it("asks the interface that a packet of IPv4 comes in by, and no other setting", async () => {
    await passesSoon("10.9.2.2");
    for (const dev of ["in0", "out0"]) {
      write(`ipv4/conf/${dev}/forwarding`, "0");
      assert.equal(passes("10.9.2.2"), false, `${dev}: the packet or its answer`);
      write(`ipv4/conf/${dev}/forwarding`, "1");
      await passesSoon("10.9.2.2");
    }
    write("ipv4/ip_forward", "0");
    assert.equal(passes("10.9.2.2"), false);
    for (const dev of ["in0", "out0"]) write(`ipv4/conf/${dev}/forwarding`, "1");
    await passesSoon("10.9.2.2");
  });

  it("asks the general setting about a packet of IPv6, whatever that of the interface is", async () => {
    for (const dev of ["in0", "out0"]) write(`ipv6/conf/${dev}/forwarding`, "0");
    await passesSoon("fd09:2::2");
    write("ipv6/conf/all/forwarding", "0");
    for (const dev of ["in0", "out0"]) write(`ipv6/conf/${dev}/forwarding`, "1");
    assert.equal(passes("fd09:2::2"), false);
  });

  it("asks force_forwarding where the general setting is off", { skip: !HAS_FORCE }, async () => {
    write("ipv6/conf/all/forwarding", "0");
    for (const dev of ["in0", "out0"]) write(`ipv6/conf/${dev}/force_forwarding`, "1");
    await passesSoon("fd09:2::2");
    write("ipv6/conf/out0/force_forwarding", "0");
    assert.equal(passes("fd09:2::2"), false);
  });
});
