// The command `config get`: the network config as it stands in etcd.

import { FlannelError, isError } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import { parseJson } from "../base/json-text.ts";
import { escapeAllButLines } from "../base/terminal-text.ts";
import type { VerbCall } from "../cli/verbs.ts";
import type { ConfigRecord } from "../subnet/operator-store.ts";
import { printJson } from "./print.ts";
import { configKey, type OperatorCalls, withStore } from "./session.ts";
import type { OperatorPorts } from "./verb.ts";

export async function getConfig(call: VerbCall, ports: OperatorPorts, signal: AbortSignal): Promise<number> {
  const key = configKey(call);
  const { text, modRevision } = await withStore(call, ports, (store) => requireConfig(key, store, signal));
  if (call.json) printJson(ports.out, { key, text, modRevision, config: parsedOrNull(text) });
  else ports.out.write(`${escapeAllButLines(text.trimEnd())}\n`);
  return 0;
}

/** Throws `config.invalid` with what to do when there is none. */
export async function requireConfig(key: string, store: OperatorCalls, signal: AbortSignal): Promise<ConfigRecord> {
  const config = await store.config(signal);
  if (config) return config;
  const old = await store.v2NetworkConfig(signal);
  // etcd: the v2 and v3 APIs keep separate data.
  const reason =
    old === null
      ? `there is none in etcd; write one with: flanneld config set '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}'`
      : `it is in etcd's v2 store only, which daemons cannot see through the v3 API; write it again with: flanneld config set '${old.trim().replaceAll("'", "'\\''")}'`;
  throw new FlannelError("config.invalid", { at: `network config at ${key}`, reason });
}

function parsedOrNull(text: string): Json {
  try {
    return parseJson(text);
  } catch (error) {
    if (isError(error, "config.invalid")) return null;
    throw error;
  }
}
