// How an HTTP server of ours begins and ends to listen at an address. The server itself is made by whoever knows what is
// answered.

import { FlannelError, messageOf } from "./errors.ts";
import type { Ip } from "./ip.ts";

export interface HttpAddress {
  readonly ip: Ip;
  /** 0 for one that the kernel chooses. */
  readonly port: number;
}

/** What of Node's http.Server is needed here. */
export interface HttpListener {
  once(event: "error", listener: (error: Error) => void): unknown;
  on(event: "error", listener: () => void): unknown;
  off(event: "error", listener: (error: Error) => void): unknown;
  listen(address: { readonly host: string; readonly port: number }, onListening: () => void): unknown;
  address(): string | { readonly port: number } | null;
  close(onClosed: () => void): unknown;
  closeAllConnections(): void;
}

/** What a person can do about the errno, as a clause; of every other one its own message is told. */
export type ListenRemedies = Readonly<Record<"EADDRINUSE" | "EADDRNOTAVAIL" | "EACCES", string>>;

/** Returns the port. Throws `listen.failed`; `what` is served, for people. */
export async function listenHttp(
  server: HttpListener,
  address: HttpAddress,
  what: string,
  remedies: ListenRemedies,
): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: address.ip, port: address.port }, () => {
        server.off("error", reject);
        // A connection that cannot be accepted (no file descriptor left) costs whoever asks, not the process.
        server.on("error", () => {});
        resolve();
      });
    });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code as keyof ListenRemedies;
    const info = { what, address: formatAddress(address), reason: remedies[code] ?? messageOf(error) };
    throw new FlannelError("listen.failed", info, { cause: error });
  }
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? bound.port : address.port;
}

/** Closes what is open, also connections that are kept alive. */
export async function closeHttp(server: Pick<HttpListener, "close" | "closeAllConnections">): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}

/** As in a URL. */
export function formatAddress({ ip, port }: HttpAddress): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}
