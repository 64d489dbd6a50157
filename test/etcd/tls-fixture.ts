// Certificates made by cfssl for an etcd with TLS: two authorities, a server's pair and a client's, and what is made of
// them.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Etcd3 } from "etcd3";
import type { EtcdServer } from "../../lab/etcd.ts";
import type { TlsOptions } from "../../src/cli/options.ts";
import { type Authority, type Office, openOffice, type Pair } from "../support/certificates.ts";
import { startTestEtcd } from "./etcd-fixture.ts";

export const HOSTS = ["127.0.0.1", "localhost"];

export interface TlsFixture extends Disposable {
  readonly office: Office;
  readonly authority: Authority;
  /** One that has signed nothing at first. */
  readonly other: Authority;
  readonly serverPair: Pair;
  readonly clientPair: Pair;
  /** The path of a file beside the certificates. */
  file(name: string): string;
  tlsOf(client: Pair | null, ca?: Authority): TlsOptions;
  startSecure(pair?: Pair, clientCaFile?: string | null): Promise<EtcdServer>;
  adminOf(endpoint: string): Etcd3;
}

export async function openTlsFixture(signal: AbortSignal): Promise<TlsFixture> {
  const office = openOffice(signal);
  const authority = await office.authority("etcd-ca");
  const other = await office.authority("new-ca");
  const serverPair = await authority.server(HOSTS);
  const clientPair = await authority.client();
  return {
    office,
    authority,
    other,
    serverPair,
    clientPair,
    file: (name) => join(office.directory, name),
    tlsOf: (client, ca = authority) => ({
      caFile: ca.caFile,
      certFile: client?.certFile ?? null,
      keyFile: client?.keyFile ?? null,
    }),
    startSecure: (pair = serverPair, clientCaFile = authority.caFile) =>
      startTestEtcd({ tls: { ...pair, ...(clientCaFile !== null && { clientCaFile }) } }),
    adminOf(endpoint) {
      const credentials = {
        rootCertificate: readFileSync(authority.caFile),
        privateKey: readFileSync(clientPair.keyFile),
        certChain: readFileSync(clientPair.certFile),
      };
      return new Etcd3({ hosts: endpoint, credentials });
    },
    [Symbol.dispose]: () => office[Symbol.dispose](),
  };
}
