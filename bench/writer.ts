// Runs write-leases.ts beside an etcd of a lab.

import { join } from "node:path";
import { run } from "../lab/run.ts";
import { inNamespace } from "../lab/topology.ts";
import { seconds } from "../src/base/brand.ts";
import type { WriteJob, WriteReport } from "./write-leases.ts";

const WRITER = join(import.meta.dirname, "write-leases.js");
const LIMIT = seconds(600);

/** Resolves when etcd has answered all writes. Without a namespace etcd is on loopback. */
export async function writeLeases(
  namespace: string | null,
  endpoint: string,
  job: WriteJob,
  signal: AbortSignal,
): Promise<WriteReport> {
  const words = [process.execPath, WRITER, endpoint];
  const command = namespace === null ? words : inNamespace(namespace, words);
  const { stdout } = await run(command, { limit: LIMIT, input: JSON.stringify(job) }, signal);
  return JSON.parse(stdout);
}
