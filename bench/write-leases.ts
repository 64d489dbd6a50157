// Writes leases into etcd. Run inside a lab, where etcd can be reached: node write-leases.js ENDPOINT, with a WriteJob on
// standard input. Prints a WriteReport.

import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { Etcd3 } from "etcd3";

export interface LeaseWrite {
  /** The whole key. */
  readonly key: string;
  /** Null deletes it. */
  readonly value: string | null;
  /** Milliseconds after the first; null for as soon as possible. */
  readonly at: number | null;
}

export type WriteJob = readonly LeaseWrite[];

/** Times in milliseconds since the epoch. */
export interface WriteReport {
  /** When each write was sent, in the order of the job. */
  readonly sent: readonly number[];
  /** Of the store after each write. */
  readonly revisions: readonly string[];
  /** When the last answer came. */
  readonly answered: number;
}

const IN_FLIGHT = 64;

const job: WriteJob = JSON.parse(await text(process.stdin));
const client = new Etcd3({ hosts: process.argv[2] ?? "" });
const sent: number[] = [];
const revisions: string[] = [];
let next = 0;

// The connection is made before the clock starts.
await client.maintenance.status();
const began = Date.now();

async function write(): Promise<void> {
  for (let index = next++; index < job.length; index = next++) {
    const { key = "", value = null, at = null } = job[index] ?? {};
    const wait = at === null ? 0 : began + at - Date.now();
    if (wait > 0) await delay(wait);
    sent[index] = Date.now();
    const { header } = await (value === null ? client.delete().key(key) : client.put(key).value(value));
    revisions[index] = header.revision;
  }
}

await Promise.all(Array.from({ length: IN_FLIGHT }, write));
const report: WriteReport = { sent, revisions, answered: Date.now() };
console.log(JSON.stringify(report));
client.close();
