// What to do about a failure, as the end of the sentence that reports it. Pure: from what gRPC, TLS and etcd say, and
// from what we know of ourselves, because the other side of a TLS handshake tells no more than a number.
// What heals by itself (nobody there, no leader, no answer) needs no advice.

import type { EpochMillis } from "../base/brand.ts";
import type { EtcdOptions } from "../cli/options.ts";
import { ENDED_BEFORE_HTTP, ENDED_BEFORE_TLS, type GrpcFailure } from "./etcd-error.ts";
import type { TlsMaterial } from "./tls.ts";

/** Who we are. */
export interface Situation {
  readonly options: EtcdOptions;
  readonly tls: TlsMaterial | null;
  readonly now: EpochMillis;
}

interface Rule {
  readonly pattern: RegExp;
  readonly advice: (situation: Situation) => string;
  /** Replaces what was said, where that is a riddle. */
  readonly instead?: boolean;
}

/** OpenSSL: numbers of alerts about a certificate (RFC 8446, 6.2), whose texts differ between versions. */
const CERTIFICATE_ALERT =
  /alert (bad certificate|certificate \w+|unknown ca|unsupported cert|handshake failure)|alert number (40|4[2-6]|48|116)\b/i;

const RULES: readonly Rule[] = [
  { pattern: CERTIFICATE_ALERT, advice: adviseClientCertificate, instead: true },
  {
    pattern: /certificate has expired/,
    advice: () => "the certificate of the etcd server, or of its authority, has expired: renew it there",
    instead: true,
  },
  {
    pattern: /certificate is not yet valid/,
    advice: () => "compare the clock of this host with the etcd server's",
  },
  {
    pattern: /does not match certificate's altnames|is not in the cert's list|Cert does not contain a DNS name/,
    advice: () =>
      'name the server in -etcd-endpoints as its certificate does, or give it a certificate with this name or address (cfssl: "hosts")',
  },
  {
    pattern: /unable to (verify|get)|self[- ]signed certificate|certificate signature failure|invalid CA/i,
    advice: ({ options }) =>
      options.tls.caFile === null
        ? "no authority of this system has signed the etcd server's certificate: name the one that has with -etcd-cafile"
        : `no authority in ${options.tls.caFile} (-etcd-cafile) has signed the etcd server's certificate`,
  },
  {
    // One sentence for all: which of them it is may change from one attempt to the next.
    pattern: new RegExp(`${ENDED_BEFORE_TLS}|wrong version number|packet length too long`),
    advice: () => "TLS could not be agreed on: if this etcd has no TLS, write http:// in -etcd-endpoints",
    instead: true,
  },
  {
    pattern: new RegExp(ENDED_BEFORE_HTTP),
    advice: ({ tls }) => (tls ? "etcd's log says why" : "if this etcd has TLS, write https:// in -etcd-endpoints"),
  },
  {
    pattern: /belongs? to (different|another) etcd cluster/,
    advice: () => "name the endpoints of one cluster alone in -etcd-endpoints",
  },
  {
    pattern: /authentication failed/,
    advice: () => "check -etcd-username and FLANNELD_ETCD_PASSWORD",
  },
  {
    pattern: /user name is empty/,
    advice: () => "this etcd wants to know who asks: set -etcd-username and FLANNELD_ETCD_PASSWORD",
  },
  { pattern: /permission denied/, advice: advisePermission },
  {
    pattern: /database space exceeded/,
    advice: () =>
      "etcd has reached its --quota-backend-bytes and takes no writes: compact its history, defragment every member, then run etcdctl alarm disarm",
  },
];

/** Null when there is nothing that a person could do here. */
export function withAdvice({ details }: Pick<GrpcFailure, "details">, reason: string, situation: Situation): string {
  const rule = RULES.find(({ pattern }) => pattern.test(details) || pattern.test(reason));
  if (!rule) return reason;
  const advice = rule.advice(situation);
  return rule.instead ? advice : `${reason}; ${advice}`;
}

/** etcd: which of these it is, its server writes only into its own log. */
function adviseClientCertificate({ options, tls, now }: Situation): string {
  const { certFile } = options.tls;
  if (certFile === null) {
    return "this etcd demands a client certificate: set -etcd-certfile and -etcd-keyfile to one that its --trusted-ca-file has signed";
  }
  const own = tls?.expiries.find(({ whose }) => whose === "client");
  if (own && own.expires <= now) {
    const end = new Date(own.expires).toISOString();
    return `the client certificate ${certFile} expired at ${end}: replace it and its key, they are taken up without a restart`;
  }
  if (own && own.begins > now) {
    const begin = new Date(own.begins).toISOString();
    return `the client certificate ${certFile} is not valid before ${begin}, and it is ${new Date(now).toISOString()} here: set the clock, or use one that is valid now`;
  }
  return `this etcd does not accept the client certificate ${certFile}: its --trusted-ca-file must hold the authority that has signed it, and it must be made for client authentication`;
}

function advisePermission({ options }: Situation): string {
  const user = options.auth
    ? `the user ${options.auth.username}`
    : "the user in the name (CN) of the client certificate";
  return `give ${user} a role with: etcdctl role grant-permission ROLE readwrite --prefix=true ${options.prefix}/`;
}
