// Config and leases for the page, as `flanneld leases` looks at them. How long a lease lasts is asked of etcd only where
// the host does not say so itself, and of some leases at a time: it is a request for each.

import type { Clock } from "../base/clock.ts";
import { mapInParallel } from "../base/tasks.ts";
import type { Lease, LeaseTerm, SubnetKey } from "../subnet/lease.ts";
import type { LeaseList } from "../subnet/lease-store.ts";
import type { StoreLook } from "../web/facts.ts";
import { type ConfigCheck, checkConfig } from "./check-config.ts";
import { spoiltParts } from "./fit.ts";
import { reportLeases } from "./lease-report.ts";
import { lookAtStore } from "./look.ts";
import type { OperatorCalls } from "./session.ts";

export type LookForPage = (isSilent: (lease: Lease) => boolean, signal: AbortSignal) => Promise<StoreLook>;

const ASKED_PER_LOOK = 16;
const AT_ONCE = 8;

interface KnownTerm {
  readonly term: LeaseTerm;
  /** In which look it was asked. */
  readonly look: number;
}

export function createLookForPage(store: OperatorCalls, configKey: string, clock: Clock): LookForPage {
  let known: ReadonlyMap<SubnetKey, KnownTerm> = new Map();
  let looks = 0;
  return async (isSilent, signal) => {
    looks += 1;
    const look = looks;
    const { view, list } = await lookAtStore(store, signal);
    const ask = chooseLeases(list, known, isSilent);
    const asked = await mapInParallel(
      ask,
      AT_ONCE,
      async (lease, scope) => [lease.key, { term: await store.timeLeft(lease, scope), look }] as const,
      signal,
    );
    const kept = list.leases.flatMap((lease) => {
      const one = known.get(lease.key);
      return one && isSilent(lease) ? [[lease.key, one] as const] : [];
    });
    known = new Map([...kept, ...asked]);
    const terms = new Map([...known].map(([key, { term }]) => [key, term]));
    return storeLook(list, terms, view.config?.text ?? null, configKey, clock);
  };
}

/** Those of silent hosts, those first of which it was not asked for longest. */
function chooseLeases(
  { leases }: LeaseList,
  known: ReadonlyMap<SubnetKey, KnownTerm>,
  isSilent: (lease: Lease) => boolean,
): readonly Lease[] {
  const lastAsked = ({ key }: Lease) => known.get(key)?.look ?? 0;
  return leases
    .filter((lease) => lease.term.kind === "leased" && isSilent(lease))
    .toSorted((a, b) => lastAsked(a) - lastAsked(b))
    .slice(0, ASKED_PER_LOOK);
}

function storeLook(
  list: LeaseList,
  terms: ReadonlyMap<SubnetKey, LeaseTerm>,
  config: string | null,
  configKey: string,
  clock: Clock,
): StoreLook {
  const check = config === null ? null : checkConfig(config);
  const valid = check?.kind === "valid" ? check : null;
  const report = reportLeases(list, terms, valid);
  return {
    at: clock.now(),
    network: valid && { ...valid.network, backend: valid.network.backend.type },
    configProblem: configProblem(check, configKey),
    leases: report.leases,
    bad: report.bad,
    spoilt: report.bad.flatMap(({ key }) => spoiltParts(key)),
    free: report.room?.free ?? null,
    total: report.room?.total ?? null,
  };
}

function configProblem(check: ConfigCheck | null, configKey: string): string | null {
  if (check === null) return `there is no network config at ${configKey}`;
  if (check.kind === "valid") return null;
  const [first] = check.problems;
  return `the network config is not valid: ${first?.at}: ${first?.reason}`;
}
