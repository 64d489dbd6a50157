// How long certificates last, told in time: a warning 30, 7 and 1 days before the end, an error after it. Each is said
// once for a certificate, and again after a restart.

import type { EpochMillis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { CertificateExpiry } from "../subnet/lease-store.ts";

/** Days that are left at most; 0 is the end. Null: more than 30. */
export type ExpiryStage = 0 | 1 | 7 | 30 | null;

const STAGES = [0, 1, 7, 30] as const;
const DAY = 86_400_000;

export function stageOf(expires: EpochMillis, now: EpochMillis): ExpiryStage {
  return STAGES.find((days) => expires - now <= days * DAY) ?? null;
}

const HINTS: Readonly<Record<CertificateExpiry["whose"], string>> = {
  client: "replace the certificate and its key on disk; they are taken up without a restart",
  authority: "put the new authority's certificate into the file, beside the old one; it is taken up without a restart",
  server: "renew the certificate of the etcd server; until then no new connection can be made",
};

/** Says what has not been said yet. To be called with all certificates, every now and then. */
export function createExpiryWarnings(deps: {
  readonly clock: Clock;
  readonly log: Logger;
}): (certificates: readonly CertificateExpiry[]) => void {
  let told = new Map<string, { readonly expires: EpochMillis; readonly stage: ExpiryStage }>();
  return (certificates) => {
    const now = deps.clock.now();
    const stages = new Map<string, { readonly expires: EpochMillis; readonly stage: ExpiryStage }>();
    for (const { whose, name, expires } of certificates) {
      const stage = stageOf(expires, now);
      stages.set(name, { expires, stage });
      const last = told.get(name);
      if (stage === null || (last?.expires === expires && last.stage === stage)) continue;
      const fields = { certificate: name, expires: new Date(expires).toISOString(), hint: HINTS[whose] };
      if (stage === 0) deps.log.error("a certificate for the connection to etcd has expired", fields);
      else {
        // A certificate that ends today has one left.
        const days = Math.max(1, Math.round((expires - now) / DAY));
        deps.log.warn("a certificate for the connection to etcd expires soon", { ...fields, days });
      }
    }
    told = stages;
  };
}
