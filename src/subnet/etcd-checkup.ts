// What can be told of etcd's servers without a call of the API.

import type { Millis } from "../base/brand.ts";
import type { CertificateExpiry } from "./lease-store.ts";

export interface EtcdCheckup {
  /** Why the certificate files are of no use, as a sentence; null when they are, or none are needed. */
  readonly problem: string | null;
  readonly certificates: readonly CertificateExpiry[];
  /** How far this host's clock is ahead of each server's that says what time it is. */
  readonly clocks: readonly { readonly endpoint: string; readonly ahead: Millis }[];
}
