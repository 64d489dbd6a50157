// A user name and password of etcd -> the token that goes with every call. All members of a cluster know a token, so one
// is enough; it is fetched anew when etcd no longer accepts it.

import type { IAuthenticateResponse } from "etcd3";
import type { EtcdOptions } from "../cli/options.ts";
import type { Endpoint } from "./endpoint.ts";
import { isAuthNotEnabled, isGrpcFailure } from "./etcd-error.ts";

export interface Tokens {
  /** The header that says who we are; none without a user, or when this etcd does not ask. */
  headers(endpoint: Endpoint, signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
  /** Drops the token. Returns false when there is none to be had. */
  renew(): boolean;
}

export function createTokens(auth: EtcdOptions["auth"]): Tokens {
  let known: Readonly<Record<string, string>> | null = null;
  return {
    async headers(endpoint, signal) {
      if (auth === null) return {};
      known ??= await authenticate(auth, endpoint, signal);
      return known;
    },
    renew() {
      known = null;
      return auth !== null;
    },
  };
}

async function authenticate(
  { username, password }: NonNullable<EtcdOptions["auth"]>,
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  const call = { service: "Auth", method: "authenticate", headers: {} } as const;
  try {
    const { token } = await endpoint.unary<IAuthenticateResponse>(call, { name: username, password }, signal);
    return { token };
  } catch (error) {
    if (isGrpcFailure(error) && isAuthNotEnabled(error)) return {};
    throw error;
  }
}
