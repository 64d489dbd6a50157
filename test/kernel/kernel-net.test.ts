import { execFileSync } from "node:child_process";
import { describe } from "node:test";
import { holdTun } from "../../lab/plain-tunnel.ts";
import type { LinkName, Route, TunLink } from "../../src/net/objects.ts";
import { openKernelNet } from "../../src/netlink/kernel-net.ts";
import { kernelNetContract } from "../contract/kernel-net.ts";
import { type KernelFixture, TUN } from "../contract/kernel-net-fixture.ts";
import { ip, whyNotHere } from "../support/namespace.ts";
import { openNative } from "../support/native.ts";

const UNDERLAY = "und0" as LinkName;

async function openKernel(): Promise<KernelFixture> {
  ip(`link add ${UNDERLAY} type veth peer name und1`);
  for (const dev of ["lo", "und1", UNDERLAY]) ip(`link set ${dev} up`);
  ip(`address add 192.168.77.1/24 dev ${UNDERLAY}`);
  ip(`route add default via 192.168.77.254`);
  ip(`-6 address add fd77::1/64 dev ${UNDERLAY} nodad`);
  ip(`-6 route add default via fd77::fe`);
  const native = openNative();
  const kernel = openKernelNet(native);
  const other = openKernelNet(native);
  // Waiting for hints does not keep a process alive, on purpose; a test that waits for one must stay.
  const alive = setInterval(() => {}, 1000);
  const held: AsyncDisposable[] = [];
  const addTun = async ({ name, persistent, multiQueue, alias }: TunLink) => {
    if (persistent) ip(`tuntap add dev ${name} mode tun${multiQueue ? " multi_queue" : ""}`);
    else held.push(await holdTun(null, name, AbortSignal.timeout(10_000)));
    if (alias !== null) execFileSync("ip", ["link", "set", name, "alias", alias]);
  };
  return {
    kernel,
    underlay: UNDERLAY,
    externally: async (ops) => void (await other.apply(ops, AbortSignal.timeout(10_000))),
    setUp: async (dev, up) => void ip(`link set ${dev} ${up ? "up" : "down"}`),
    appendRoute: async (route) => void ip(`route append ${wordsOf(route)}`),
    addTun,
    async [Symbol.asyncDispose]() {
      clearInterval(alive);
      kernel[Symbol.dispose]();
      other[Symbol.dispose]();
      for (const tun of held) await tun[Symbol.asyncDispose]();
      for (const dev of ["flannel.1", "flannel-v6.1", TUN, UNDERLAY]) deleteLink(dev);
    },
  };
}

function wordsOf({ dst, via, dev, onlink, metric, protocol }: Route): string {
  const gateway = via === null ? "" : ` via ${via}`;
  return `${dst}${gateway} dev ${dev} metric ${metric} proto ${protocol}${onlink ? " onlink" : ""}`;
}

function deleteLink(dev: string): void {
  try {
    ip(`link del ${dev}`);
  } catch {
    // The test, or the kernel on its behalf, has deleted it.
  }
}

describe("rtnetlink", { skip: whyNotHere() }, () => {
  kernelNetContract("the kernel", openKernel);
});
