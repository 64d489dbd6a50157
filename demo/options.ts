// The demo's command line.

import { parseArgs } from "node:util";

export interface DemoOptions {
  readonly hosts: number;
  readonly backend: string;
  readonly keep: boolean;
}

export type DemoCommand =
  | { readonly kind: "run"; readonly options: DemoOptions }
  | { readonly kind: "down" }
  | { readonly kind: "help" };

export const HELP = `npm run demo -- [options]

Starts a real etcd, hosts as network namespaces on a virtual switch, one flanneld on each and a pod
behind cni0 on each, lets every pod ping every pod, and shows how a packet travels.

  --hosts N        how many hosts, 2 to 20 (3)
  --backend NAME   how packets travel between the hosts: vxlan (vxlan)
  --keep           leave all of it running, and say how to look around
  --down           take down what --keep has left running
  --help           this text`;

const BUILT_BACKENDS = ["vxlan"];

/** Throws an error whose message is a sentence for the person who typed it. */
export function parseDemoCommand(argv: readonly string[]): DemoCommand {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      hosts: { type: "string", default: "3" },
      backend: { type: "string", default: "vxlan" },
      keep: { type: "boolean", default: false },
      down: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return { kind: "help" };
  if (values.down) return { kind: "down" };
  const hosts = Number(values.hosts);
  if (!/^\d+$/.test(values.hosts) || hosts < 2 || hosts > 20) {
    throw new Error(`--hosts ${values.hosts}: give a number from 2 to 20`);
  }
  if (!BUILT_BACKENDS.includes(values.backend)) {
    throw new Error(`--backend ${values.backend}: not built yet; what is there: ${BUILT_BACKENDS.join(", ")}`);
  }
  return { kind: "run", options: { hosts, backend: values.backend, keep: values.keep } };
}
