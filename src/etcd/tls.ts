// The certificate files of the command line, read and looked at before anybody connects.

import { readFile } from "node:fs/promises";
import { FlannelError, messageOf } from "../base/errors.ts";
import type { TlsOptions } from "../cli/options.ts";

export interface TlsMaterial {
  /** Null: the system's certificate authorities. */
  readonly ca: Buffer | null;
  readonly client: { readonly cert: Buffer; readonly key: Buffer } | null;
}

/** Throws `file.unreadable` for a file that cannot be read or holds nothing of the kind. */
export async function readTlsMaterial({ caFile, certFile, keyFile }: TlsOptions): Promise<TlsMaterial> {
  const ca = caFile === null ? null : await readPem(caFile, "the etcd CA file (--etcd-cafile)", "CERTIFICATE");
  if (certFile === null || keyFile === null) return { ca, client: null };
  const cert = await readPem(certFile, "the etcd client certificate (--etcd-certfile)", "CERTIFICATE");
  const key = await readPem(keyFile, "the etcd client key (--etcd-keyfile)", "PRIVATE KEY");
  return { ca, client: { cert, key } };
}

async function readPem(path: string, purpose: string, kind: "CERTIFICATE" | "PRIVATE KEY"): Promise<Buffer> {
  const text = await readFile(path).catch((error: unknown) => {
    throw new FlannelError("file.unreadable", { path, purpose, reason: messageOf(error) }, { cause: error });
  });
  if (!new RegExp(`-----BEGIN [A-Z ]*${kind}-----`).test(text.toString("latin1"))) {
    throw new FlannelError("file.unreadable", { path, purpose, reason: `it holds no PEM block "${kind}"` });
  }
  return text;
}
