// Parts of a simulated host that can fail it: a data path whose device goes, a kernel that is not heard, a watch that
// loses changes.

import type { Datapath } from "../../src/base/datapath.ts";
import type { KernelNet } from "../../src/net/kernel-net.ts";
import type { LeaseStore } from "../../src/subnet/lease-store.ts";
import type { FakeDatapath } from "../fakes/fake-datapath.ts";
import type { FakeKernel } from "../fakes/fake-kernel.ts";

/** A data path that can be attached only to a TUN device that is there, and that ends when it is taken away. */
export function attachable(datapath: Datapath, kernel: FakeKernel): Datapath {
  return {
    ...datapath,
    attach(tunnel) {
      if (!hasTun(kernel, tunnel.device)) throw Object.assign(new Error("ENODEV"), { code: "ENODEV" });
      datapath.attach(tunnel);
    },
  };
}

function hasTun(kernel: FakeKernel, name: string): boolean {
  return kernel.objects().some((object) => object.kind === "link" && object.type === "tun" && object.name === name);
}

export async function endWithDevice(datapath: FakeDatapath, kernel: FakeKernel, signal: AbortSignal): Promise<void> {
  for await (const { reason } of kernel.hints(signal)) {
    const tunnel = datapath.tunnel();
    if (reason === "link" && tunnel && !hasTun(kernel, tunnel.device)) datapath.end("EBADFD");
  }
}

/** A kernel whose hints are lost for as long as the condition holds. */
export function deafened(kernel: FakeKernel, isDeaf: () => boolean): KernelNet {
  return {
    ...kernel,
    async *hints(signal) {
      for await (const hint of kernel.hints(signal)) if (!isDeaf()) yield hint;
    },
  };
}

/** A store whose watch loses changes for as long as the condition holds. */
export function blindfolded(store: LeaseStore, isBlind: () => boolean): LeaseStore {
  return {
    ...store,
    async *watch(from, signal) {
      for await (const event of store.watch(from, signal)) if (event.kind !== "changes" || !isBlind()) yield event;
    },
  };
}
