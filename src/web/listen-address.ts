// Where the page is served: "127.0.0.1:8470", "[::1]:8470", "localhost:8470". Pure.

import { isError } from "../base/errors.ts";
import type { HttpAddress } from "../base/http-listener.ts";
import { parseIpv4 } from "../base/ip.ts";
import { parseIpv6 } from "../base/ipv6.ts";

/** Null when it is no address with a port. */
export function parseListenAddress(text: string): HttpAddress | null {
  const [, bracketed, plain = "", digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) return null;
  try {
    if (bracketed !== undefined) return { ip: parseIpv6(bracketed), port };
    return { ip: parseIpv4(plain === "localhost" ? "127.0.0.1" : plain), port };
  } catch (error) {
    if (isError(error, "address.invalid")) return null;
    throw error;
  }
}

/** Only this host's own users reach it. */
export function isLoopback({ ip }: HttpAddress): boolean {
  return ip.startsWith("127.") || ip === "::1";
}
