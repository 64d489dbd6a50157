// The command line of npm run bench:scale. Pure.

import { parseArgs } from "node:util";
import { SECTIONS, type SectionName } from "./figures.ts";

export interface ScaleOptions {
  readonly sections: readonly SectionName[];
  /** Leases in etcd when a daemon starts, one start each. */
  readonly leases: readonly number[];
  /** Leases in etcd when the others of a burst or of churn come. */
  readonly present: number;
  /** Leases written at once, one burst each. */
  readonly bursts: readonly number[];
  /** Changes a second, and for how many seconds. */
  readonly rate: number;
  readonly churn: number;
  /** Daemons that join at once, one crowd each. */
  readonly joiners: readonly number[];
  readonly watchers: number;
  /** Until memory is taken for settled. */
  readonly settle: number;
  /** Of one measurement of the steady state. */
  readonly seconds: number;
  readonly json: boolean;
}

export type ScaleCommand = { readonly kind: "run"; readonly options: ScaleOptions } | { readonly kind: "help" };

export const HELP = `npm run bench:scale -- [options]

Measures how flanneld and etcd carry thousands of hosts, on a real etcd and, where routes are programmed, with a real
daemon on vxlan in a network namespace; compares the figures with what the project has promised.

  --only A,B       only these parts: ${SECTIONS.join(", ")}
  --leases N,M     leases in etcd when a daemon starts (5000,20000)
  --present N      leases that are there before a burst, before churn, and in the steady state (5000)
  --bursts N,M     leases written at once (1000,10000)
  --rate N         changes a second in churn (100)
  --churn S        how many seconds the churn lasts (60)
  --joiners N,M    daemons that join at the same moment (1000)
  --watchers N     daemons that watch one etcd, directly and behind a grpc-proxy (1000)
  --settle S       seconds until memory has settled (60)
  --seconds S      how long one measurement of the steady state takes (30)
  --json           figures for programs on standard output, progress on standard error
  --help           this text

Exit status: 0 when all ran, 1 when a target was missed, 2 when something could not be measured,
64 for a wrong command line, 130 when interrupted.`;

/** Addresses of the lab's hosts reach as far. */
const MOST_LEASES = 30_000;

/** Throws an error whose message is a sentence for the person who typed it. */
export function parseScaleCommand(argv: readonly string[]): ScaleCommand {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: "string", default: SECTIONS.join(",") },
      leases: { type: "string", default: "5000,20000" },
      present: { type: "string", default: "5000" },
      bursts: { type: "string", default: "1000,10000" },
      rate: { type: "string", default: "100" },
      churn: { type: "string", default: "60" },
      joiners: { type: "string", default: "1000" },
      watchers: { type: "string", default: "1000" },
      settle: { type: "string", default: "60" },
      seconds: { type: "string", default: "30" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return { kind: "help" };
  const options: ScaleOptions = {
    sections: sectionsOf(values.only),
    leases: numbers("--leases", values.leases, MOST_LEASES),
    present: number("--present", values.present, MOST_LEASES),
    bursts: numbers("--bursts", values.bursts, MOST_LEASES),
    rate: number("--rate", values.rate, 10_000),
    churn: number("--churn", values.churn, 3600),
    joiners: numbers("--joiners", values.joiners, 10_000),
    watchers: number("--watchers", values.watchers, 10_000),
    settle: number("--settle", values.settle, 3600),
    seconds: number("--seconds", values.seconds, 3600),
    json: values.json,
  };
  const most = options.present + Math.max(...options.bursts, Math.ceil((options.rate * options.churn) / 4));
  if (most > MOST_LEASES) {
    throw new Error(`this makes ${most} leases: choose less of --present, --bursts, --rate or --churn`);
  }
  return { kind: "run", options };
}

/** In the order of SECTIONS, however they were named. */
function sectionsOf(text: string): readonly SectionName[] {
  const names = text.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !SECTIONS.some((section) => section === name));
  if (unknown !== undefined) throw new Error(`there is no part "${unknown}": there are ${SECTIONS.join(", ")}`);
  return SECTIONS.filter((section) => names.includes(section));
}

function numbers(flag: string, text: string, most: number): readonly number[] {
  return text.split(",").map((item) => number(flag, item.trim(), most));
}

function number(flag: string, text: string, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > most) {
    throw new Error(`${flag} ${text}: give a number from 1 to ${most}`);
  }
  return value;
}
