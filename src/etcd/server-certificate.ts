// When an etcd server's certificate begins and ends: a look at each endpoint, by a TLS handshake of its own, because no
// call tells it. Also a certificate that would not be accepted is looked at: the calls say what is wrong with it.

import { once } from "node:events";
import { isIP } from "node:net";
import { connect, type DetailedPeerCertificate } from "node:tls";
import { type EpochMillis, seconds } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/signals.ts";
import type { CertificateExpiry } from "../subnet/lease-store.ts";
import { type HostPort, hostPortOf } from "./host-port.ts";
import type { TlsMaterial } from "./tls.ts";

const LIMIT = seconds(5);

/** Empty when nobody answers there. `url` is "https://host:port". */
export async function readServerExpiries(
  url: string,
  tls: TlsMaterial,
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly CertificateExpiry[]> {
  try {
    return await withDeadline(LIMIT, clock, signal, async (scope) => {
      return expiriesOf(url, await shakeHands(hostPortOf(url), tls, scope));
    });
  } catch {
    signal.throwIfAborted();
    return [];
  }
}

/** The server's certificate and those of its authorities, as far as it has sent them or we have them. */
async function shakeHands(
  { host, port }: HostPort,
  tls: TlsMaterial,
  signal: AbortSignal,
): Promise<readonly DetailedPeerCertificate[]> {
  const socket = connect({
    host,
    port,
    ...(tls.ca && { ca: tls.ca }),
    ...tls.client,
    ...(isIP(host) === 0 && { servername: host }),
    ALPNProtocols: ["h2"],
    rejectUnauthorized: false,
  });
  // What is wrong after the handshake (a client certificate that is refused) has no listener otherwise.
  socket.on("error", () => {});
  try {
    await once(socket, "secureConnect", { signal });
    return chainOf(socket.getPeerCertificate(true));
  } finally {
    socket.destroy();
  }
}

/** Node: the last certificate, which has signed itself, is its own issuer. */
function chainOf(certificate: DetailedPeerCertificate): readonly DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = [];
  let next: DetailedPeerCertificate | undefined = certificate;
  while (next?.valid_to && !chain.includes(next)) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}

/** Of the certificate itself, and of the first of the authorities that it hangs on. */
function expiriesOf(url: string, [own, ...authorities]: readonly DetailedPeerCertificate[]): CertificateExpiry[] {
  if (!own) return [];
  const [first] = authorities.toSorted((a, b) => endOf(a) - endOf(b));
  const above = first && `the authority ${JSON.stringify(nameOf(first))} behind the certificate of ${url}`;
  return [
    { whose: "server", name: `the certificate of ${url}`, begins: beginOf(own), expires: endOf(own) },
    ...(first && above
      ? [{ whose: "authority" as const, name: above, begins: beginOf(first), expires: endOf(first) }]
      : []),
  ];
}

function beginOf({ valid_from }: DetailedPeerCertificate): EpochMillis {
  return Date.parse(valid_from) as EpochMillis;
}

function endOf({ valid_to }: DetailedPeerCertificate): EpochMillis {
  return Date.parse(valid_to) as EpochMillis;
}

function nameOf({ subject }: DetailedPeerCertificate): string {
  return String(subject?.CN ?? subject?.O ?? "without a name");
}
