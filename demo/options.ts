// The demo's command line.

import { parseArgs } from "node:util";
import { BACKEND_TYPES, whyNoBackend } from "../src/backends/registry.ts";
import { DEMO_BACKENDS, type DemoBackend } from "./backends.ts";

export interface DemoOptions {
  readonly hosts: number;
  readonly backend: DemoBackend;
  readonly keep: boolean;
  /** Shows the live page until it is interrupted. */
  readonly web: boolean;
}

export type DemoCommand =
  | { readonly kind: "run"; readonly options: DemoOptions }
  /** One, or all that were started from this clone. */
  | { readonly kind: "down"; readonly name: string | null }
  | { readonly kind: "help" };

/** Those that are built into flanneld. */
const BACKENDS = DEMO_BACKENDS.filter(({ type }) => BACKEND_TYPES.includes(type));

export const HELP = `npm run demo -- [options]

Starts a real etcd, hosts as network namespaces on a virtual switch, one flanneld on each and a pod
behind cni0 on each, lets every pod ping every pod, and shows how a packet travels.

  --hosts N        how many hosts, 2 to 20 (3)
  --backend NAME   how packets travel between the hosts (vxlan):
${BACKENDS.map(({ type, summary }) => `                   ${type.padEnd(9)}${summary}`).join("\n")}
  --web            show the hosts on a live page (flanneld web) until Ctrl-C
  --keep           leave all of it running, and say how to look around
  --down [NAME]    take down what --keep has left running: that one, or all of this clone
  --help           this text`;

/** Throws an error whose message is a sentence for the person who typed it. */
export function parseDemoCommand(argv: readonly string[]): DemoCommand {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      hosts: { type: "string", default: "3" },
      backend: { type: "string", default: "vxlan" },
      web: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
      down: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return { kind: "help" };
  const [name = null, ...more] = positionals;
  const stray = values.down ? more : positionals;
  if (stray.length > 0) throw new Error(`unexpected word ${JSON.stringify(stray[0])}: --help says what there is`);
  if (values.down) return { kind: "down", name };
  const hosts = Number(values.hosts);
  if (!/^\d+$/.test(values.hosts) || hosts < 2 || hosts > 20) {
    throw new Error(`--hosts ${values.hosts}: give a number from 2 to 20`);
  }
  const backend = BACKENDS.find(({ type }) => type === values.backend);
  if (!backend) {
    const known = BACKENDS.map(({ type }) => type).join(", ");
    throw new Error(`--backend ${values.backend}: ${whyNoBackend(values.backend)}; what is there: ${known}`);
  }
  if (values.web && values.keep) {
    throw new Error("--web runs until Ctrl-C and then takes all down, --keep leaves it running: choose one");
  }
  return { kind: "run", options: { hosts, backend, keep: values.keep, web: values.web } };
}
