// The steps of docs/install.md that are not flanneld's own: certificates, and an etcd of three members that asks for
// them, on machines that are still off.

import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../lab/run.ts";
import type { Machine } from "../../lab/topology.ts";
import { ROOT } from "./packages.ts";

/** Where flanneld's certificates are. */
export const SSL = "/etc/flanneld/ssl";

/** The settings of the guide, with more flags before those of the guide. */
export function sysconfig(endpoints: string, more = ""): string {
  const tls = `-etcd-cafile=${SSL}/ca.pem -etcd-certfile=${SSL}/flanneld.pem -etcd-keyfile=${SSL}/flanneld-key.pem`;
  return [
    `FLANNEL_ETCD_ENDPOINTS="${endpoints}"`,
    'FLANNEL_ETCD_PREFIX="/kube-centos/network"',
    `FLANNEL_OPTIONS="${more}${tls}"\n`,
  ].join("\n");
}

/** A block of commands or of a file in a document, by the name that follows its language: "```sh NAME". */
export function commandsOf(document: string, name: string): string {
  const found = new RegExp(`^\`\`\`\\w+ ${name}\\n(.*?)^\`\`\`$`, "ms").exec(document)?.[1];
  if (found === undefined) throw new Error(`the document has no commands ${name}`);
  return found;
}

/** What flanneld has made in the kernel of a machine. */
export interface KernelState {
  /** As ip(8) shows them. */
  readonly routes: readonly string[];
  readonly devices: readonly string[];
  readonly chains: readonly string[];
}

export async function readKernelState(on: (...command: string[]) => Promise<string>): Promise<KernelState> {
  const lines = async (...command: string[]) => (await on(...command)).split("\n").map((line) => line.trim());
  return {
    // A filter would leave out what it was asked for.
    routes: (await lines("ip", "route")).filter((line) => / proto (flannel|70)\b/.test(line)),
    devices: (await lines("ip", "-o", "link")).flatMap((line) => /^\d+: (flannel[^:@]*)/.exec(line)?.[1] ?? []),
    chains: (await lines("iptables-save")).flatMap((line) => /^:(FLANNEL\S*)/.exec(line)?.[1] ?? []).sort(),
  };
}

const KEY = { algo: "rsa", size: 2048 };
const EXPIRY = "87600h";
const PROFILE = { usages: ["signing", "key encipherment", "server auth", "client auth"], expiry: EXPIRY };

/** ca, etcd and flanneld, each with NAME.pem and NAME-key.pem. */
export async function makeCertificates(
  directory: string,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const write = (name: string, value: object) => writeFileSync(join(directory, name), JSON.stringify(value));
  mkdirSync(directory, { recursive: true });
  write("ca-config.json", { signing: { default: { expiry: EXPIRY }, profiles: { cluster: PROFILE } } });
  write("ca-csr.json", { CN: "cluster", key: KEY, names: [{ O: "cluster" }] });
  write("etcd-csr.json", { CN: "etcd", hosts: ["127.0.0.1", ...addresses], key: KEY });
  write("flanneld-csr.json", { CN: "flanneld", hosts: [], key: KEY });
  const make = (command: string) => run(["sh", "-c", `cd "$1" && ${command}`, "sh", directory], {}, signal);
  await make("cfssl gencert -initca ca-csr.json | cfssljson -bare ca");
  for (const name of ["etcd", "flanneld"]) {
    const sign = "cfssl gencert -ca=ca.pem -ca-key=ca-key.pem -config=ca-config.json -profile=cluster";
    await make(`${sign} ${name}-csr.json | cfssljson -bare ${name}`);
  }
}

/** Puts certificates and etcd's settings into the root of a machine, as its administrator would. */
export function configureEtcd(
  root: string,
  own: Machine,
  all: readonly Machine[],
  certificates: string,
  base: string,
): void {
  const copy = (names: readonly string[], directory: string) => {
    mkdirSync(join(root, directory), { recursive: true });
    for (const name of names) cpSync(join(certificates, name), join(root, directory, name));
  };
  copy(["ca.pem", "flanneld.pem", "flanneld-key.pem"], "etc/flanneld/ssl");
  copy(["ca.pem", "etcd.pem", "etcd-key.pem"], "etc/etcd/ssl");
  mkdirSync(join(root, "etc/default"), { recursive: true });
  writeFileSync(join(root, "etc/default/etcd"), etcdSettings(own, all));
  // etcd runs as a user of its own, who must be able to read its key.
  const [, , uid = "0", gid = "0"] = (
    /^etcd:.*$/m.exec(readFileSync(join(base, "etc/passwd"), "utf8"))?.[0] ?? ""
  ).split(":");
  const prepare = join(root, "etc/systemd/system/etcd.service.d");
  mkdirSync(prepare, { recursive: true });
  const owner = `[Service]\nExecStartPre=+/bin/chown -R ${uid}:${gid} /etc/etcd/ssl\n`;
  writeFileSync(join(prepare, "certificates.conf"), owner);
}

/** Those of the document, with the names and addresses of these machines. */
function etcdSettings(own: Machine, all: readonly Machine[]): string {
  const commands = commandsOf(readFileSync(join(ROOT, "docs/install.md"), "utf8"), "etcd");
  const [, text = ""] = /<<'END'\n(.*?)^END$/ms.exec(commands) ?? [];
  const lines = text.replaceAll(/^.*$/gm, (line) =>
    withMachines(line, line.startsWith("ETCD_INITIAL_CLUSTER=") ? all : [own]),
  );
  return `${lines}ETCD_UNSAFE_NO_FSYNC=true\n`;
}

function withMachines(line: string, machines: readonly Machine[]): string {
  return line
    .replaceAll(/\bm([1-9])\b/g, (_, number) => machines[number - 1]?.name ?? "")
    .replaceAll(/\b192\.0\.2\.([1-9])\b/g, (_, number) => machines[number - 1]?.address ?? "");
}
