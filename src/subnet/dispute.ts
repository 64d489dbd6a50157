// Settles whose a record is that may be ours: by a challenge, and by what its outcome means.

import type { Millis } from "../base/brand.ts";
import { FlannelError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { type ChallengeDeps, challenge } from "./challenge.ts";
import { type Identity, sharesAddress } from "./identity.ts";
import { describeSubnet, hostIp, type Lease } from "./lease.ts";

export interface DisputeDeps extends ChallengeDeps {
  readonly log: Logger;
  readonly onWaiting: (reason: string) => void;
}

export type DisputeOutcome =
  /** Nobody holds it: the record as it is now. */
  | { readonly kind: "ours"; readonly lease: Lease }
  /** Of a copy of this host, with an address of its own. */
  | { readonly kind: "another's" }
  /** To be looked at again. */
  | { readonly kind: "changed" };

/** A host that answers keeps its record. Throws `host.duplicate` when it has our public IP: that a person must mend. */
export async function settleDispute(
  record: Lease,
  { self, ttl }: { readonly self: Identity; readonly ttl: Millis },
  deps: DisputeDeps,
  signal: AbortSignal,
): Promise<DisputeOutcome> {
  const { nodeId } = self;
  if (nodeId === null) throw new Error("a host without an id has no disputes");
  const { attrs } = record;
  const subnet = describeSubnet(record.subnet);
  const fields = { subnet, publicIp: hostIp(attrs) };
  deps.log.info("a lease may be this host's own of an earlier time; asking whether another host holds it", fields);
  deps.onWaiting(`asking whether another host holds the lease of ${subnet}`);
  const outcome = await challenge(record, nodeId, ttl, deps, signal);
  if (outcome.kind === "undefended") return { kind: "ours", lease: outcome.lease };
  if (outcome.kind === "changed") return outcome;
  if (sharesAddress(attrs, self)) {
    throw new FlannelError("host.duplicate", { publicIp: hostIp(self), subnet, node: attrs.nodeId ?? "" });
  }
  deps.log.warn("another host has the node id of this one, which may be a copy of its disk; leasing another subnet", {
    ...fields,
    hint: "delete the file node-id in the state directory of one of them",
  });
  return { kind: "another's" };
}
