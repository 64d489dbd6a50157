// One host's way to a store that others reach: it can be cut. Calls then fail, and a watch tells nothing until the way is
// mended, and then everything that it has missed.

import { createDoorbell } from "../../src/base/doorbell.ts";
import { FlannelError } from "../../src/base/errors.ts";
import type { LeaseStore } from "../../src/subnet/lease-store.ts";

export interface Way {
  isCut(): boolean;
  cut(): void;
  mend(): void;
}

export function createWay(): Way & { readonly over: (store: LeaseStore) => LeaseStore } {
  const bell = createDoorbell();
  let cut = false;
  const mended = async (signal: AbortSignal) => {
    // An abort ends the wait; whoever waits sees it.
    while (cut && !signal.aborted) await bell.wait(signal).catch(() => {});
  };
  const guard = <A extends readonly unknown[], T>(op: string, call: (...args: A) => Promise<T>) => {
    return async (...args: A): Promise<T> => {
      if (cut) throw new FlannelError("etcd.unavailable", { op, reason: "no route to host" });
      return await call(...args);
    };
  };
  return {
    isCut: () => cut,
    cut: () => {
      cut = true;
    },
    mend() {
      cut = false;
      bell.ring("mended");
    },
    over: (store) => ({
      survey: guard("survey", store.survey),
      networkConfig: guard("config", store.networkConfig),
      v2NetworkConfig: store.v2NetworkConfig,
      list: guard("list", store.list),
      census: guard("census", store.census),
      get: guard("get", store.get),
      claim: guard("claim", store.claim),
      rekey: guard("rekey", store.rekey),
      replaceBad: guard("replaceBad", store.replaceBad),
      renew: guard("renew", store.renew),
      remove: guard("remove", store.remove),
      async *watchNetworkConfig(signal) {
        for await (const text of store.watchNetworkConfig(signal)) {
          await mended(signal);
          yield text;
        }
      },
      async *watch(from, signal) {
        for await (const event of store.watch(from, signal)) {
          if (cut) {
            yield { kind: "disconnected", reason: "no route to host" };
            await mended(signal);
            yield { kind: "connected" };
          }
          yield event;
        }
      },
    }),
  };
}
