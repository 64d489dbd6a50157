// What can be told of etcd's servers without a call of the API: when the certificates begin and end on which the connection
// depends, and what time it is there.

import type { Clock } from "../base/clock.ts";
import { isError } from "../base/errors.ts";
import type { EtcdOptions } from "../cli/options.ts";
import type { EtcdCheckup } from "../subnet/etcd-checkup.ts";
import { readServerExpiries } from "./server-certificate.ts";
import { clockAhead } from "./server-clock.ts";
import { readTlsMaterial, type TlsMaterial } from "./tls.ts";

export async function readEtcdCheckup(
  { endpoints, tls: files }: EtcdOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<EtcdCheckup> {
  const isSecure = endpoints.some((endpoint) => endpoint.startsWith("https://"));
  let tls: TlsMaterial | null = null;
  let problem: string | null = null;
  try {
    tls = isSecure ? await readTlsMaterial(files) : null;
  } catch (error) {
    if (!isError(error, "file.unreadable")) throw error;
    problem = error.message;
  }
  const servers = tls === null ? [] : endpoints.map((url) => readServerExpiries(url, tls, clock, signal));
  const times = endpoints.map(async (endpoint) => ({
    endpoint,
    ahead: await clockAhead(endpoint, tls, clock, signal),
  }));
  return {
    problem,
    certificates: [...(tls?.expiries ?? []), ...(await Promise.all(servers)).flat()],
    clocks: (await Promise.all(times)).flatMap(({ endpoint, ahead }) => (ahead === null ? [] : [{ endpoint, ahead }])),
  };
}
