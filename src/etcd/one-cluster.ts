// Sees to it that all endpoints are of one etcd cluster: with one of another among them, hosts would lease subnets in two
// stores, get the same one twice, and not know of each other. Another cluster in the place of the one that is followed
// is none of this: then no endpoint is of the former any more (decision 19).
// etcd: a cluster's id follows from its members' peer addresses, so that all that were set up with the defaults, each alone,
// have the same. They are told apart by their revisions: one etcd's never go back from one answer to the next.

import { seconds } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/signals.ts";
import type { Call, Endpoint } from "./endpoint.ts";
import { CallFailed, UNAVAILABLE } from "./etcd-error.ts";
import type { Attempt, Failover, Purpose } from "./failover.ts";

/** What answers at an endpoint. */
export interface Seen {
  /** The cluster's id, as decimal text. */
  readonly cluster: string;
  readonly revision: bigint;
}

export type AskCluster = (endpoint: Endpoint, headers: Call["headers"], signal: AbortSignal) => Promise<Seen>;

/** By endpoint, in the order in which they were given; null of one that does not answer. */
type Clusters = ReadonlyMap<Endpoint, Seen | null>;

/** A silent one must not make a start slow: it is asked again before it is used. */
const OTHERS_LIMIT = seconds(2);

/**
 * The calls, each after a look whose cluster the endpoint is of if that is new, or has failed since the last look. With
 * one endpoint alone there is nothing to look at.
 */
export function withinOneCluster(
  failover: Failover,
  endpoints: readonly Endpoint[],
  ask: AskCluster,
  clock: Clock,
): Failover {
  if (endpoints.length === 1) return failover;
  const admission = createAdmission(endpoints, ask, clock);
  return {
    giveUp: failover.giveUp,
    leave(endpoint) {
      admission.revoke(endpoint);
      failover.leave(endpoint);
    },
    attempt<T>(purpose: Purpose, attempt: Attempt<T>, signal: AbortSignal) {
      const guarded: Attempt<T> = async (endpoint, headers, scope) => {
        try {
          await admission.ensure(endpoint, headers, scope);
          return await attempt(endpoint, headers, scope);
        } catch (error) {
          admission.revoke(endpoint);
          throw error;
        }
      };
      return failover.attempt(purpose, guarded, signal);
    },
  };
}

function createAdmission(endpoints: readonly Endpoint[], ask: AskCluster, clock: Clock) {
  const askOthers = createSurvey(endpoints, ask, clock);
  const admitted = new Set<Endpoint>();
  let followed: string | null = null;
  /** Have been of the one that is followed. */
  const members = new Set<Endpoint>();
  const follow = (cluster: string, found: Clusters) => {
    if (followed !== cluster) members.clear();
    followed = cluster;
    for (const [endpoint, seen] of found) if (seen?.cluster === cluster) members.add(endpoint);
  };
  const admit = async (endpoint: Endpoint, headers: Call["headers"], signal: AbortSignal) => {
    const seen = await ask(endpoint, headers, signal);
    if (seen.cluster === followed) {
      members.add(endpoint);
      admitted.add(endpoint);
      return;
    }
    const found = await askOthers(endpoint, seen, headers, signal);
    // Who does not answer may still be of the one that is followed, unless one that was is of this one now.
    const isSuccessor = [...found].some(([one, other]) => other?.cluster === seen.cluster && members.has(one));
    const isSilent = [...found.values()].includes(null);
    if (followed !== null && isSilent && !isSuccessor) throw foreign(seen.cluster, followed);
    follow(seen.cluster, found);
    admitted.add(endpoint);
  };
  return {
    revoke: (endpoint: Endpoint) => void admitted.delete(endpoint),
    async ensure(endpoint: Endpoint, headers: Call["headers"], signal: AbortSignal) {
      if (!admitted.has(endpoint)) await admit(endpoint, headers, signal);
    },
  };
}

/** What is at all endpoints; throws unless that is one cluster. That one of the others fails is part of the answer. */
function createSurvey(endpoints: readonly Endpoint[], ask: AskCluster, clock: Clock) {
  return async (asked: Endpoint, seen: Seen, headers: Call["headers"], signal: AbortSignal): Promise<Clusters> => {
    const look = async (endpoint: Endpoint): Promise<readonly [Endpoint, Seen | null]> => {
      if (endpoint === asked) return [endpoint, seen];
      const answer = withDeadline(OTHERS_LIMIT, clock, signal, (scope) => ask(endpoint, headers, scope));
      const other = await answer.catch(() => null);
      // A cluster of thousands of hosts would have as many idle connections at each member.
      endpoint.reset("quick");
      return [endpoint, other];
    };
    const found = new Map(await Promise.all(endpoints.map(look)));
    signal.throwIfAborted();
    const answers = [...found.values()].filter((answer) => answer !== null);
    if (answers.some(({ cluster }) => cluster !== seen.cluster)) throw divided(found);
    const revisions = answers.map(({ revision }) => revision);
    const isBehind = revisions.some((revision) => revision < seen.revision);
    const isAhead = async () => {
      const { revision: now } = await ask(asked, headers, signal);
      return revisions.some((revision) => revision > now);
    };
    if (isBehind || (revisions.some((revision) => revision > seen.revision) && (await isAhead()))) {
      throw namesakes(found, seen);
    }
    return found;
  };
}

/** The same text whichever was asked first. */
function divided(found: Clusters): CallFailed {
  const clusters = new Map<string, string[]>();
  for (const [{ url }, seen] of found) {
    if (seen !== null) clusters.set(seen.cluster, [...(clusters.get(seen.cluster) ?? []), url]);
  }
  const parts = [...clusters].map(([cluster, urls]) => `${urls.join(" and ")} to ${idOf(cluster)}`);
  return failure(`the endpoints belong to different etcd clusters: ${parts.join(", ")}`);
}

function namesakes(found: Clusters, { cluster }: Seen): CallFailed {
  const urls = [...found].flatMap(([{ url }, seen]) => (seen === null ? [] : url));
  return failure(
    `the endpoints belong to different etcd clusters, although all have the id ${idOf(cluster)}: ${urls.join(", ")}`,
  );
}

function foreign(cluster: string, followed: string): CallFailed {
  return failure(
    `it belongs to another etcd cluster, ${idOf(cluster)}, than this host's, ${idOf(followed)}, which does not answer`,
  );
}

/** Of such an endpoint nothing more is asked than whose it is. */
function failure(details: string): CallFailed {
  return new CallFailed({ code: UNAVAILABLE, details, isUnsent: true });
}

/** As etcd's log has it. */
function idOf(cluster: string): string {
  return BigInt(cluster).toString(16);
}
