// Certificates and keys for TLS to etcd, read once. What can be seen to be wrong with them is said here, by file, rather
// than by a handshake that fails without telling why.

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { FlannelError } from "../base/errors.ts";
import type { TlsOptions } from "../cli/options.ts";

/** PEM; null is Node's own list of authorities, resp. no client certificate. */
export interface TlsMaterial {
  readonly ca: Buffer | null;
  readonly client: { readonly cert: Buffer; readonly key: Buffer } | null;
}

/** Compat: where the Go daemon looks for the system's authorities, which may hold an organisation's own. */
const SYSTEM_AUTHORITIES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

interface PemFile {
  readonly path: string;
  readonly purpose: string;
  readonly content: Buffer;
}

/** Throws `file.unreadable`, naming the flag, for a file that cannot be read or does not hold what it should. */
export async function readTlsMaterial({ caFile, certFile, keyFile }: TlsOptions): Promise<TlsMaterial> {
  const ca = caFile === null ? null : await readPem(caFile, "the etcd CA file (--etcd-cafile)");
  if (ca) parseCertificates(ca);
  const client = certFile === null || keyFile === null ? null : await readClient(certFile, keyFile);
  return { ca: ca?.content ?? (await readSystemAuthorities()), client };
}

async function readClient(certFile: string, keyFile: string): Promise<TlsMaterial["client"]> {
  const cert = await readPem(certFile, "the etcd client certificate (--etcd-certfile)");
  const key = await readPem(keyFile, "the etcd client key (--etcd-keyfile)");
  const certificate = parseCertificates(cert);
  if (!certificate.checkPrivateKey(parseKey(key))) throw unusable(key, `it does not belong to ${certFile}`);
  return { cert: cert.content, key: key.content };
}

async function readPem(path: string, purpose: string): Promise<PemFile> {
  try {
    return { path, purpose, content: await readFile(path) };
  } catch (error) {
    throw unusable({ path, purpose }, reasonOf(error));
  }
}

/** The first certificate, after all were found to be well-formed. */
function parseCertificates(file: PemFile): X509Certificate {
  const blocks = file.content.toString("latin1").match(CERTIFICATE) ?? [];
  const [first] = blocks.map((block) => parse(file, "a certificate", () => new X509Certificate(block)));
  if (!first) throw unusable(file, "there is no certificate in PEM form in it");
  return first;
}

function parseKey(file: PemFile): KeyObject {
  return parse(file, "a private key", () => createPrivateKey(file.content));
}

function parse<T>(file: PemFile, wanted: string, read: () => T): T {
  try {
    return read();
  } catch {
    throw unusable(file, `it does not hold ${wanted} in PEM form (without a pass phrase)`);
  }
}

async function readSystemAuthorities(): Promise<Buffer | null> {
  for (const path of SYSTEM_AUTHORITIES) {
    const content = await readFile(path).catch(() => null);
    if (content) return content;
  }
  return null;
}

function unusable({ path, purpose }: Omit<PemFile, "content">, reason: string): FlannelError<"file.unreadable"> {
  return new FlannelError("file.unreadable", { path, purpose, reason });
}

/** Node's message repeats the path. */
function reasonOf(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOENT":
      return "there is no such file";
    case "EACCES":
      return "permission denied";
    case "EISDIR":
      return "it is a directory";
    default:
      return String(error);
  }
}
