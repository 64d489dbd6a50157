// The command `config get`: the network config as it stands in etcd.

import { FlannelError, isError } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import { parseJson } from "../base/json-text.ts";
import { pasteCommand, shellWord } from "../base/paste.ts";
import { escapeAllButLines } from "../base/terminal-text.ts";
import type { VerbCall } from "../cli/verbs.ts";
import type { ConfigRecord } from "../subnet/operator-store.ts";
import { printJson } from "./print.ts";
import { configKey, type OperatorCalls, withStore } from "./session.ts";
import type { OperatorPorts } from "./verb.ts";

export async function getConfig(call: VerbCall, ports: OperatorPorts, signal: AbortSignal): Promise<number> {
  const key = configKey(call);
  const { text, modRevision } = await withStore(call, ports, (store) => requireConfig(call, store, signal));
  if (call.json) printJson(ports.out, { key, text, modRevision, config: parsedOrNull(text) });
  else ports.out.write(`${escapeAllButLines(text.trimEnd())}\n`);
  return 0;
}

/** Throws `config.invalid` with what to do when there is none. */
export async function requireConfig(call: VerbCall, store: OperatorCalls, signal: AbortSignal): Promise<ConfigRecord> {
  const config = await store.config(signal);
  if (config) return config;
  const old = await store.v2NetworkConfig(signal);
  // etcd: the v2 and v3 APIs keep separate data.
  const what =
    old === null
      ? "there is none in etcd; write one with"
      : "it is in etcd's v2 store only, which daemons cannot see through the v3 API; write it again with";
  const command = pasteCommand(`config set ${shellWord(old?.trim() ?? EXAMPLE)}`, call.asking);
  throw new FlannelError("config.invalid", {
    at: `network config at ${configKey(call)}`,
    reason: `${what}: ${command}`,
  });
}

const EXAMPLE = '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}';

function parsedOrNull(text: string): Json {
  try {
    return parseJson(text);
  } catch (error) {
    if (isError(error, "config.invalid")) return null;
    throw error;
  }
}
