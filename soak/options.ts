// The soak's command line. Pure.

import { parseArgs } from "node:util";
import { BACKEND_TYPES, whyNoBackend } from "../src/backends/registry.ts";
import { describeNeeds, FAULT_KINDS, type Fault, FIREWALLS, type FirewallMode, suits } from "./fault.ts";
import { FAULTS } from "./faults.ts";

export interface SoakOptions {
  /** One after the other. */
  readonly backends: readonly string[];
  /** For each backend; every fault that has begun is brought to its end. */
  readonly minutes: number;
  /** How often every fault has its turn at most; null for as often as the time allows. */
  readonly rounds: number | null;
  /** Of etcd. */
  readonly members: number;
  readonly firewall: FirewallMode;
  readonly seed: number;
  /** Some of them for each backend. */
  readonly faults: readonly Fault[];
  /** The words that chose them. */
  readonly choice: readonly string[];
  /** After packets were lost that may not be, as long as everything else is as it was. */
  readonly keepGoing: boolean;
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
  --rounds N       every fault N times, instead of some minutes or within them
  --backend NAME   vxlan, host-gw or udp (vxlan, then host-gw)
  --firewall MODE  how the hosts keep flanneld's rules: iptables or nftables (iptables)
  --members N      of etcd, 1 or 3; some faults need 3 (1)
  --only A,B       only these faults, or kinds of faults
  --skip A,B       all but these
  --seed N         of an earlier run, to have the same faults again (a new one)
  --keep-going     go on when packets were lost that may not be, to see what else is
  --list           the faults by kind, and what each does
  --json           the result for programs on standard output, progress on standard error
  --help           this text

Ctrl-C ends it early, with the result so far. Exit status: 0 when all held, 1 when something did not,
2 when the soak itself could not go on, 64 for a wrong command line, 130 when interrupted.`;

const DEFAULT_BACKENDS = ["vxlan", "host-gw"];
const DEFAULT_MINUTES = 5;
const LONGEST_MINUTES = 7 * 24 * 60;
const MOST_ROUNDS = 10_000;
const LARGEST_SEED = 2 ** 32 - 1;

/** Throws an error whose message is a sentence for the person who typed it. */
export function parseSoakCommand(argv: readonly string[], newSeed: () => number): SoakCommand {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      minutes: { type: "string" },
      rounds: { type: "string" },
      backend: { type: "string" },
      firewall: { type: "string", default: "iptables" },
      members: { type: "string", default: "1" },
      only: { type: "string" },
      skip: { type: "string" },
      seed: { type: "string" },
      "keep-going": { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return { kind: "help" };
  if (values.list) return { kind: "list" };
  const rounds = values.rounds === undefined ? null : readRounds(values.rounds);
  const where = {
    backends: values.backend === undefined ? DEFAULT_BACKENDS : [readBackend(values.backend)],
    members: readMembers(values.members),
    firewall: readFirewall(values.firewall),
  };
  const options = {
    ...where,
    minutes: values.minutes === undefined ? defaultMinutes(rounds) : readMinutes(values.minutes),
    rounds,
    seed: values.seed === undefined ? newSeed() : readSeed(values.seed),
    faults: chooseFaults(values, where),
    choice: (["only", "skip"] as const).flatMap((name) => {
      const names = values[name]?.replaceAll(/\s/g, "");
      return names ? [`--${name} ${names}`] : [];
    }),
    keepGoing: values["keep-going"],
    json: values.json,
  };
  return { kind: "run", options };
}

function defaultMinutes(rounds: number | null): number {
  return rounds === null ? DEFAULT_MINUTES : LONGEST_MINUTES;
}

function readBackend(name: string): string {
  if (BACKEND_TYPES.includes(name)) return name;
  throw new Error(`--backend ${name}: ${whyNoBackend(name)}; what is there: ${BACKEND_TYPES.join(", ")}`);
}

function readFirewall(name: string): FirewallMode {
  const mode = FIREWALLS.find((mode) => mode === name);
  if (mode) return mode;
  throw new Error(`--firewall ${name}: give ${FIREWALLS.join(" or ")}`);
}

function readMinutes(text: string): number {
  const minutes = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && minutes > 0 && minutes <= LONGEST_MINUTES) return minutes;
  throw new Error(`--minutes ${text}: give a number above 0, at most ${LONGEST_MINUTES}`);
}

function readRounds(text: string): number {
  const rounds = Number(text);
  if (/^\d+$/.test(text) && rounds > 0 && rounds <= MOST_ROUNDS) return rounds;
  throw new Error(`--rounds ${text}: give a whole number from 1 to ${MOST_ROUNDS}`);
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

type Where = Pick<SoakOptions, "backends" | "members" | "firewall">;

function chooseFaults({ only, skip }: { readonly only?: string; readonly skip?: string }, where: Where) {
  const suitsAny = (fault: Fault) => where.backends.some((backend) => suits(fault, { ...where, backend }));
  const named = only === undefined ? null : readNames("--only", only);
  const skipped = skip === undefined ? [] : readNames("--skip", skip);
  const impossible = FAULTS.find((fault) => named?.includes(fault.name) && !suitsAny(fault));
  if (impossible) throw new Error(`--only ${impossible.name}: needs ${describeNeeds(impossible)}`);
  const isNamed = ({ name, kind }: Fault, names: readonly string[]) => names.includes(name) || names.includes(kind);
  const chosen = FAULTS.filter((fault) => (named === null || isNamed(fault, named)) && !isNamed(fault, skipped));
  const faults = chosen.filter(suitsAny);
  const without = where.backends.find((backend) => !faults.some((fault) => suits(fault, { ...where, backend })));
  if (without === undefined) return faults;
  throw new Error(`no fault is left for ${without}; see --list, or choose another --backend`);
}

function readNames(option: string, text: string): readonly string[] {
  const names = text.split(",").map((name) => name.trim());
  const known = new Set<string>([...FAULT_KINDS, ...FAULTS.map(({ name }) => name)]);
  const unknown = names.find((name) => !known.has(name));
  if (unknown === undefined) return names;
  throw new Error(`${option} ${unknown}: there is no such fault, and no such kind of faults; see --list`);
}
