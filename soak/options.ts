// The soak's command line. Pure.

import { parseArgs } from "node:util";
import { BACKEND_TYPES } from "../src/backends/registry.ts";
import type { Fault } from "./fault.ts";
import { FAULTS } from "./faults.ts";

export interface SoakOptions {
  /** One after the other. */
  readonly backends: readonly string[];
  /** For each backend; every fault that has begun is brought to its end. */
  readonly minutes: number;
  /** Of etcd. */
  readonly members: number;
  readonly seed: number;
  readonly faults: readonly Fault[];
  readonly json: boolean;
}

export type SoakCommand =
  | { readonly kind: "run"; readonly options: SoakOptions }
  | { readonly kind: "list" }
  | { readonly kind: "help" };

export const HELP = `npm run soak -- [options]

Three hosts with a flanneld and a pod each, an etcd, and 500 pings a second between the pods of each
pair of hosts; then one fault after another, each undone after a while. Not one packet may be lost that
the fault may not cost, no host may ever have another subnet, no flanneld may end, and after each fault
everything must be as it was at the start.

  --minutes N      for each backend; parts of one, too (5)
  --backend NAME   vxlan, host-gw or udp (vxlan, then host-gw)
  --members N      of etcd, 1 or 3; some faults need 3 (1)
  --only A,B       only these faults
  --seed N         of an earlier run, to have the same faults again (a new one)
  --list           the faults, and what each does
  --json           the result for programs on standard output, progress on standard error
  --help           this text

Exit status: 0 when all held, 1 when something did not, 2 when the soak itself could not go on,
64 for a wrong command line, 130 when interrupted.`;

const DEFAULT_BACKENDS = ["vxlan", "host-gw"];
const LONGEST_MINUTES = 7 * 24 * 60;
const LARGEST_SEED = 2 ** 32 - 1;

/** Throws an error whose message is a sentence for the person who typed it. */
export function parseSoakCommand(argv: readonly string[], newSeed: () => number): SoakCommand {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      minutes: { type: "string", default: "5" },
      backend: { type: "string" },
      members: { type: "string", default: "1" },
      only: { type: "string" },
      seed: { type: "string" },
      list: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return { kind: "help" };
  if (values.list) return { kind: "list" };
  const members = readMembers(values.members);
  const options = {
    backends: values.backend === undefined ? DEFAULT_BACKENDS : [readBackend(values.backend)],
    minutes: readMinutes(values.minutes),
    seed: values.seed === undefined ? newSeed() : readSeed(values.seed),
    members,
    faults: values.only === undefined ? possibleWith(members) : readFaults(values.only, members),
    json: values.json,
  };
  return { kind: "run", options };
}

function readBackend(name: string): string {
  if (BACKEND_TYPES.includes(name)) return name;
  throw new Error(`--backend ${name}: not built yet; what is there: ${BACKEND_TYPES.join(", ")}`);
}

function readMinutes(text: string): number {
  const minutes = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && minutes > 0 && minutes <= LONGEST_MINUTES) return minutes;
  throw new Error(`--minutes ${text}: give a number above 0, at most ${LONGEST_MINUTES}`);
}

function readSeed(text: string): number {
  const seed = Number(text);
  if (/^\d+$/.test(text) && seed <= LARGEST_SEED) return seed;
  throw new Error(`--seed ${text}: give a number from 0 to ${LARGEST_SEED}`);
}

function readMembers(text: string): number {
  if (text === "1" || text === "3") return Number(text);
  throw new Error(`--members ${text}: give 1 or 3`);
}

function possibleWith(members: number): readonly Fault[] {
  return FAULTS.filter(({ fewestMembers = 1 }) => fewestMembers <= members);
}

function readFaults(text: string, members: number): readonly Fault[] {
  const names = text.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !FAULTS.some((fault) => fault.name === name));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: there is no such fault; see --list`);
  const chosen = FAULTS.filter(({ name }) => names.includes(name));
  const impossible = chosen.find((fault) => !possibleWith(members).includes(fault));
  if (impossible) throw new Error(`--only ${impossible.name}: needs --members ${impossible.fewestMembers}`);
  return chosen;
}
