// Certificates as operators make them, with cfssl: an authority, servers with their hosts, clients with RSA keys.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../lab/run.ts";

/** Paths of PEM files. */
export interface Pair {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Authority {
  readonly caFile: string;
  server(hosts: readonly string[], days?: number): Promise<Pair>;
  /** RSA 2048, CN=flanneld. */
  client(days?: number, name?: string): Promise<Pair>;
  /** A client's that is valid from tomorrow on. */
  early(): Promise<Pair>;
}

export interface Office extends Disposable {
  readonly directory: string;
  authority(name: string, days?: number): Promise<Authority>;
}

/** cfssl: a certificate begins five minutes before it is made, and that counts. */
const BACKDATED_SECONDS = 300;
const EC = { algo: "ecdsa", size: 256 };

/** Negative days are in the past, at most five minutes of it. */
function expiryOf(days: number): string {
  return `${Math.max(1, Math.round(days * 86_400) + BACKDATED_SECONDS)}s`;
}

/** To the second, as certificates have it. */
function inDays(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString().replace(/\.\d+Z$/, "Z");
}

export function openOffice(signal: AbortSignal): Office {
  const directory = mkdtempSync(join(tmpdir(), "flanneld-certs-"));
  let serial = 0;
  /** `args` after "cfssl gencert"; leaves NAME.pem and NAME-key.pem. */
  const generate = async (name: string, args: readonly string[], request: object): Promise<Pair> => {
    const base = join(directory, name);
    writeFileSync(`${base}.json`, JSON.stringify(request));
    const { stdout } = await run(["cfssl", "gencert", ...args, `${base}.json`], {}, signal);
    await run(["cfssljson", "-bare", base], { input: stdout }, signal);
    return { certFile: `${base}.pem`, keyFile: `${base}-key.pem` };
  };
  return {
    directory,
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
    async authority(name, days = 365) {
      const request = { CN: name, key: EC, ca: { expiry: expiryOf(days) } };
      const own = await generate(name, ["-initca"], request);
      const issue = async (what: string, usages: readonly string[], lasts: number, request: object, dates = {}) => {
        const config = join(directory, `${name}-${what}-${serial}.config.json`);
        const profile = { expiry: expiryOf(lasts), usages: ["signing", "key encipherment", ...usages], ...dates };
        writeFileSync(config, JSON.stringify({ signing: { default: profile } }));
        const args = [`-ca=${own.certFile}`, `-ca-key=${own.keyFile}`, `-config=${config}`];
        return await generate(`${name}-${what}-${serial++}`, args, request);
      };
      const client = { CN: "flanneld", hosts: [""], key: { algo: "rsa", size: 2048 } };
      return {
        caFile: own.certFile,
        server: (hosts, lasts = 90) =>
          issue("server", ["server auth", "client auth"], lasts, { CN: "etcd", hosts, key: EC }),
        client: (lasts = 90, CN = client.CN) => issue("client", ["client auth"], lasts, { ...client, CN }),
        early: () => issue("early", ["client auth"], 1, client, { not_before: inDays(1), not_after: inDays(90) }),
      };
    },
  };
}
