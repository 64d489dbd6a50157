// Node's TLS client refuses (Node 26) or warns about (Node 20 to 24) a server name that is an IP address, and grpc-js
// passes one for every endpoint such as https://10.0.0.1:2379. RFC 6066 wants no server name in that case; the address
// is still compared with the certificate.
// There is no option for it in grpc-js 1.14, so tls.connect is wrapped, once, when such an endpoint is used.

import { isIP } from "node:net";
import tls, { type ConnectionOptions, type TLSSocket } from "node:tls";

type Connect = (options: ConnectionOptions, listener?: () => void) => TLSSocket;

let wrapped = false;

export function allowIpServerNames(): void {
  if (wrapped) return;
  wrapped = true;
  const connect: Connect = tls.connect;
  const wrapper: Connect = (options, listener) => connect(withoutIpServerName(options), listener);
  Object.assign(tls, { connect: wrapper });
}

export function withoutIpServerName(options: ConnectionOptions): ConnectionOptions {
  const address = options.servername;
  if (!address || isIP(address) === 0) return options;
  const check = options.checkServerIdentity ?? tls.checkServerIdentity;
  return { ...options, servername: "", checkServerIdentity: (_host, certificate) => check(address, certificate) };
}
