// The command line of npm run bench:datapath. Pure.

import { parseArgs } from "node:util";
import { type DataPath, planPaths } from "./paths.ts";

export interface DatapathOptions {
  readonly paths: readonly DataPath[];
  readonly rounds: number;
  /** Of one measurement. */
  readonly seconds: number;
  /** TCP's; null for the machine's own. */
  readonly congestion: string | null;
  readonly json: boolean;
  readonly chart: string;
  /** Another flanneld's program; null when there is none to compare with. */
  readonly peer: string | null;
}

export type DatapathCommand = { readonly kind: "run"; readonly options: DatapathOptions } | { readonly kind: "help" };

export const HELP = `npm run bench:datapath -- [options]

Measures TCP, UDP and round trips between the pods of two hosts over each backend, and over the same
kernel objects made by hand, in turns; compares the figures with the targets that the project has set itself.

  --rounds N      how often each path is measured (3)
  --seconds S     how long one measurement takes (3; with PEER 2)
  --only A,B      only these paths: host-gw, host-gw by hand, vxlan, vxlan by hand, udp; and, which else
                  are not measured, host-gw counted and vxlan counted: with --peer-traffic
  --congestion C  TCP's congestion control, such as cubic or bbr (the machine's own)
  --json          figures for programs on standard output, progress on standard error
  --chart PATH    where the chart goes (build/datapath.svg)
  --help          this text

With PEER=/path/to/flanneld in the environment, that daemon's udp backend is measured, too, and so are
pairs of hosts that have one of each: udp PEER, udp ours to PEER, udp PEER to ours.

Exit status: 0 when all ran, 1 when a target was missed, 2 when something could not be measured,
64 for a wrong command line, 130 when interrupted.`;

const DEFAULT_CHART = "build/datapath.svg";

/** Throws an error whose message is a sentence for the person who typed it. */
export function parseDatapathCommand(argv: readonly string[], env: NodeJS.ProcessEnv): DatapathCommand {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: "string", default: "3" },
      seconds: { type: "string" },
      only: { type: "string" },
      congestion: { type: "string" },
      json: { type: "boolean", default: false },
      chart: { type: "string", default: DEFAULT_CHART },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return { kind: "help" };
  const peer = env["PEER"] || null;
  const only = values.only?.split(",").map((name) => name.trim()) ?? null;
  const options = {
    paths: planPaths(peer !== null, only),
    rounds: count("--rounds", values.rounds, 100),
    // Eight paths in place of five, in about the same time.
    seconds: count("--seconds", values.seconds ?? (peer === null ? "3" : "2"), 3600),
    congestion: values.congestion ?? null,
    json: values.json,
    chart: values.chart,
    peer,
  };
  return { kind: "run", options };
}

function count(flag: string, text: string, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > most) {
    throw new Error(`${flag} ${text}: give a number from 1 to ${most}`);
  }
  return value;
}
