// Watches all that happens to the records, for the whole run, whatever becomes of etcd. Every change is judged
// (history.ts); those that break the promise are kept.

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { toolEnvironment } from "../lab/run.ts";
import { inNamespace } from "../lab/topology.ts";
import { millis } from "../src/base/brand.ts";
import { systemClock } from "../src/base/clock.ts";
import { judgeEvent, type Owner, type RecordEvent } from "./history.ts";
import { decode, RECORDS_PREFIX, type Store } from "./store.ts";

export interface RecordWatch extends AsyncDisposable {
  /** How far the history has been seen; 0 when other data have just taken its place. */
  revision(): number;
  /** A sentence for each change that broke the promise. */
  readonly violations: readonly string[];
  /** How many changes were judged. */
  events(): number;
}

const PAUSE = millis(200);

/** From the beginning of etcd's history. `owners` is read at each event. */
export function watchRecords(store: Store, owners: () => readonly Owner[]): RecordWatch {
  const controller = new AbortController();
  const violations: string[] = [];
  let [era, revision, events] = [store.era(), 0, 0];
  const onEvent = (event: RecordEvent) => {
    revision = Math.max(revision, event.revision);
    events++;
    const violation = judgeEvent(event, owners());
    if (violation) violations.push(violation);
  };
  const follow = async (signal: AbortSignal) => {
    const child = launch(store, revision + 1);
    let [ended, compacted] = [false, 0];
    child.on("close", () => {
      ended = true;
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      const response = parseResponse(line);
      compacted = Math.max(compacted, response.compacted);
      for (const event of response.events) onEvent(event);
    });
    while (!ended) {
      if (signal.aborted || era !== store.era()) child.kill("SIGKILL");
      await systemClock.sleep(PAUSE, never);
    }
    if (era !== store.era()) [era, revision] = [store.era(), 0];
    // What was compacted away before it was seen cannot be judged any more; the present can.
    else if (compacted > 0) revision = compacted - 1;
  };
  const run = async () => {
    while (!controller.signal.aborted) await follow(controller.signal);
  };
  const running = run();
  return {
    revision: () => (era === store.era() ? revision : 0),
    violations,
    events: () => events,
    async [Symbol.asyncDispose]() {
      controller.abort();
      await running;
    },
  };
}

const never = new AbortController().signal;

function launch({ machine, endpoints }: Store, from: number): ChildProcessByStdio<null, Readable, null> {
  const watch = ["watch", "--prefix", RECORDS_PREFIX, `--rev=${from}`, "-w", "json"];
  const [program = "", ...args] = inNamespace(machine.namespace, [
    "etcdctl",
    `--endpoints=${endpoints.join(",")}`,
    ...watch,
  ]);
  const env = { ...toolEnvironment(), ETCDCTL_API: "3" };
  return spawn(program, args, { detached: true, stdio: ["ignore", "pipe", "ignore"], env });
}

interface Response {
  readonly events: readonly RecordEvent[];
  /** The oldest revision that is left, when the watch asked for one that is gone; else 0. */
  readonly compacted: number;
}

interface JsonResponse {
  readonly CompactRevision?: number;
  readonly Events?: readonly {
    readonly type?: number;
    readonly kv: { readonly key: string; readonly value?: string; readonly mod_revision: number };
  }[];
}

/** A line of `etcdctl watch -w json`; what is none of its answers says nothing. */
export function parseResponse(line: string): Response {
  if (!line.startsWith("{")) return { events: [], compacted: 0 };
  const { Events, CompactRevision = 0 } = JSON.parse(line) as JsonResponse;
  const events = (Events ?? []).map(({ type = 0, kv }) => ({
    key: decode(kv.key).slice(RECORDS_PREFIX.length),
    value: type === 1 ? null : decode(kv.value ?? ""),
    revision: kv.mod_revision,
  }));
  return { events, compacted: CompactRevision };
}
