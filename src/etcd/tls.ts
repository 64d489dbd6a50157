// Certificates and keys for TLS to etcd, as they are in their files now. What can be seen to be wrong with them is said
// here, by file, rather than by a handshake that fails without telling why. Who looks again, and when, is in
// tls-upkeep.ts.

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { EpochMillis } from "../base/brand.ts";
import { FlannelError, messageOf } from "../base/errors.ts";
import { describeFileError } from "../base/file-error.ts";
import type { TlsOptions } from "../cli/options.ts";
import type { CertificateExpiry } from "../subnet/lease-store.ts";

/** PEM; null is Node's own list of authorities, resp. no client certificate. */
export interface TlsMaterial {
  readonly ca: Buffer | null;
  readonly client: { readonly cert: Buffer; readonly key: Buffer } | null;
  /** Of the files that the operator has named. */
  readonly expiries: readonly CertificateExpiry[];
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
  const ca = caFile === null ? null : await readAuthorities(caFile);
  const client = certFile === null || keyFile === null ? null : await readClient(certFile, keyFile);
  return {
    ca: ca?.pem ?? (await readSystemAuthorities()),
    client: client?.pem ?? null,
    expiries: [ca, client].flatMap((files) => files?.expiry ?? []),
  };
}

/**
 * What changes whenever one of the files does: rewritten, replaced, or reached by a symbolic link that was turned to
 * another directory, as in the secrets of Kubernetes. It costs nothing to ask for.
 */
export async function fingerprintTlsFiles({ caFile, certFile, keyFile }: TlsOptions): Promise<string> {
  const paths = [...(caFile === null ? SYSTEM_AUTHORITIES : [caFile]), certFile, keyFile];
  const marks = paths.map(async (path) => {
    if (path === null) return "-";
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      return [dev, ino, size, mtimeNs, ctimeNs].join(":");
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? "?";
    }
  });
  return (await Promise.all(marks)).join(" ");
}

interface Read<Pem> {
  readonly pem: Pem;
  readonly expiry: CertificateExpiry;
}

/** With several authorities, as while one takes over from another, one that is valid will do. */
async function readAuthorities(caFile: string): Promise<Read<Buffer>> {
  const ca = await readPem(caFile, "the etcd CA file (--etcd-cafile)");
  const authorities = parseCertificates(ca);
  const begins = Math.min(...authorities.map(beginOf)) as EpochMillis;
  const expires = Math.max(...authorities.map(expiryOf)) as EpochMillis;
  const name = `the CA file ${caFile} (--etcd-cafile)`;
  return { pem: ca.content, expiry: { whose: "authority", name, begins, expires } };
}

/** A certificate ends with the first of its chain, and begins with the last. */
async function readClient(certFile: string, keyFile: string): Promise<Read<NonNullable<TlsMaterial["client"]>>> {
  const cert = await readPem(certFile, "the etcd client certificate (--etcd-certfile)");
  const key = await readPem(keyFile, "the etcd client key (--etcd-keyfile)");
  const chain = parseCertificates(cert);
  if (!chain[0]?.checkPrivateKey(parseKey(key))) throw unusable(key, `it does not belong to ${certFile}`);
  const refusal = refusalOf(cert, key);
  if (refusal !== null) throw unusable(cert, refusal);
  const begins = Math.max(...chain.map(beginOf)) as EpochMillis;
  const expires = Math.min(...chain.map(expiryOf)) as EpochMillis;
  const name = `the client certificate ${certFile} (--etcd-certfile)`;
  return { pem: { cert: cert.content, key: key.content }, expiry: { whose: "client", name, begins, expires } };
}

/** OpenSSL: one whose key or signature is too weak for the system's security level is not used; null when it is. */
function refusalOf(cert: PemFile, key: PemFile): string | null {
  try {
    // Itself as the authority: to read all those that the system has would take longer.
    createSecureContext({ ca: cert.content, cert: cert.content, key: key.content });
    return null;
  } catch (error) {
    const reason = messageOf(error).replace(/^.*:/, "");
    return `OpenSSL refuses it: ${reason}${/too (small|weak)/.test(reason) ? "; make a stronger one" : ""}`;
  }
}

function beginOf({ validFrom }: X509Certificate): number {
  return Date.parse(validFrom);
}

function expiryOf({ validTo }: X509Certificate): number {
  return Date.parse(validTo);
}

async function readPem(path: string, purpose: string): Promise<PemFile> {
  try {
    return { path, purpose, content: await readFile(path) };
  } catch (error) {
    throw unusable({ path, purpose }, describeFileError(error) + whyNotRoot(error));
  }
}

/** Linux: root without CAP_DAC_OVERRIDE, as in flanneld.service, opens other users' files only as anybody may. */
function whyNotRoot(error: unknown): string {
  const isDenied = (error as NodeJS.ErrnoException).code === "EACCES" && process.geteuid?.() === 0;
  return isDenied
    ? "; without CAP_DAC_OVERRIDE root opens no other user's file: give it and its directories to root (chown root)"
    : "";
}

/** At least one, all of them well-formed. */
function parseCertificates(file: PemFile): readonly X509Certificate[] {
  const blocks = file.content.toString("latin1").match(CERTIFICATE) ?? [];
  if (blocks.length === 0) throw unusable(file, "there is no certificate in PEM form in it");
  return blocks.map((block) => parse(file, "a certificate", () => new X509Certificate(block)));
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
