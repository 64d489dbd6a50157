// An endpoint's URL -> where to connect. Pure.

export interface HostPort {
  /** A name or an address; IPv6 without its brackets. */
  readonly host: string;
  readonly port: number;
}

/** `url` is "http://host:port" or "https://host:port", and has been checked. */
export function hostPortOf(url: string): HostPort {
  const [, bracketed, name, port] = /^https?:\/\/(?:\[([^\]]+)\]|([^:/]+)):(\d+)$/.exec(url) ?? [];
  return { host: bracketed ?? name ?? "", port: Number(port) };
}
