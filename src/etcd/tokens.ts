// A user name and password of etcd -> the token that goes with every call. All members of a cluster know a token, so one
// is enough; it is fetched anew when etcd no longer accepts it.

import type { IAuthenticateResponse } from "etcd3";
import type { EtcdOptions } from "../cli/options.ts";
import type { Endpoint } from "./endpoint.ts";
import { isAuthNotEnabled, isGrpcFailure, isWrongLogin } from "./etcd-error.ts";

export interface Tokens {
  /** The header that says who we are; none without a user, or when this etcd does not ask. */
  headers(endpoint: Endpoint, signal: AbortSignal): Promise<Headers>;
  /** Drops the token. Returns false when there is none to be had. */
  renew(): boolean;
}

type Headers = Readonly<Record<string, string>>;

export type Login = NonNullable<EtcdOptions["auth"]>;

/** User name and password where the operator keeps them, outside of this process. */
export interface LoginSettings {
  /** As they are now; null where there are none, and when that cannot be told. */
  read(): Login | null;
  /** Those that are there now are used from now on. */
  onTaken(): void;
}

const NO_SETTINGS: LoginSettings = { read: () => null, onTaken: () => {} };

/**
 * A password that etcd refuses is looked for in the settings again if it came from there: those that were given in another
 * way are not to be guessed.
 */
export function createTokens(auth: Login | null, settings: LoginSettings = NO_SETTINGS): Tokens {
  const isOfSettings = auth !== null && isSame(auth, settings.read());
  let login = auth;
  let known: Headers | null = null;
  const take = (newer: Login) => {
    if (!isSame(newer, login)) settings.onTaken();
    login = newer;
  };
  return {
    async headers(endpoint, signal) {
      if (login === null) return {};
      if (known !== null) return known;
      try {
        known = await authenticate(login, endpoint, signal);
      } catch (error) {
        const newer = isOfSettings && isGrpcFailure(error) && isWrongLogin(error) ? settings.read() : null;
        if (newer === null || isSame(newer, login)) throw error;
        known = await authenticate(newer, endpoint, signal);
        take(newer);
      }
      return known;
    },
    renew() {
      known = null;
      return auth !== null;
    },
  };
}

function isSame(a: Login, b: Login | null): boolean {
  return b !== null && a.username === b.username && a.password === b.password;
}

async function authenticate({ username, password }: Login, endpoint: Endpoint, signal: AbortSignal): Promise<Headers> {
  const call = { service: "Auth", method: "authenticate", headers: {} } as const;
  try {
    const { token } = await endpoint.unary<IAuthenticateResponse>(call, { name: username, password }, signal);
    return { token };
  } catch (error) {
    if (isGrpcFailure(error) && isAuthNotEnabled(error)) return {};
    throw error;
  }
}
