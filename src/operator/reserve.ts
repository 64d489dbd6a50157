// The commands `reserve` and `release`: a lease that does not end, and the way back.

import { FlannelError } from "../base/errors.ts";
import { type Ipv4, isUnicastIpv4, type Prefix4, parseIpv4, parsePrefix4 } from "../base/ip.ts";
import type { Json } from "../base/json.ts";
import { isOn, textOf, type VerbCall } from "../cli/verbs.ts";
import { LEASE_TTL, type Lease } from "../subnet/lease.ts";
import { checkConfig, type ValidConfig } from "./check-config.ts";
import { requireConfig } from "./config-get.ts";
import { backendName } from "./lease-report.ts";
import { ATTEMPTS, type Look, lookAtStore } from "./look.ts";
import { printJson, printLines } from "./print.ts";
import {
  decideRelease,
  decideReserve,
  nameOf,
  type ReleaseRequest,
  type ReleaseTarget,
  type ReserveRequest,
} from "./reservation.ts";
import { type OperatorCalls, withStore } from "./session.ts";
import type { OperatorPorts } from "./verb.ts";

type Change = "created" | "kept" | "reserved-already" | "leased" | "released-already" | "deleted";

type Done =
  | { readonly change: Change; readonly lease: Lease }
  /** A record that was no lease. */
  | { readonly change: "deleted-bad"; readonly key: string }
  | { readonly change: "absent"; readonly target: ReleaseTarget };

export async function reserveSubnet(call: VerbCall, ports: OperatorPorts, signal: AbortSignal): Promise<number> {
  const request: ReserveRequest = { subnet: readSubnet(call), publicIp: readPublicIp(call), asking: call.asking };
  const done = await withStore(call, ports, (store) =>
    untilNotOvertaken(store, `the record of ${request.subnet}`, signal, async (look) => {
      if (!look.view.config) await requireConfig(call, store, signal);
      return await tryReserve(request, look, store, signal);
    }),
  );
  report(done, call, ports);
  return 0;
}

export async function releaseSubnet(call: VerbCall, ports: OperatorPorts, signal: AbortSignal): Promise<number> {
  const [now, force] = [isOn(call, "now"), isOn(call, "force")];
  const request: ReleaseRequest = { target: readTarget(call, now && force), now, force };
  const done = await withStore(call, ports, (store) =>
    untilNotOvertaken(store, `the record of ${call.words[0]}`, signal, (look) =>
      tryRelease(request, look, store, signal),
    ),
  );
  report(done, call, ports);
  return 0;
}

/** Null from `attempt`: something came in between, and it is decided again on what there is now. */
async function untilNotOvertaken(
  store: OperatorCalls,
  what: string,
  signal: AbortSignal,
  attempt: (look: Look) => Promise<Done | null>,
): Promise<Done> {
  for (let count = 0; count < ATTEMPTS; count++) {
    const done = await attempt(await lookAtStore(store, signal));
    if (done) return done;
  }
  throw new FlannelError("request.overtaken", { what });
}

async function tryReserve(
  request: ReserveRequest,
  { view, list }: Look,
  store: OperatorCalls,
  signal: AbortSignal,
): Promise<Done | null> {
  const decision = decideReserve(request, list, validConfig(view.config?.text ?? ""));
  switch (decision.kind) {
    case "refused":
      throw new FlannelError("request.refused", decision);
    case "needs-public-ip":
      throw usage(`${request.subnet} is free: say for which host it shall be, with --public-ip=ADDRESS`);
    case "reserved-already":
      return { change: "reserved-already", lease: decision.lease };
    case "keep": {
      const outcome = await store.setTerm(decision.lease, null, signal);
      return outcome.kind === "renewed" ? { change: "kept", lease: outcome.lease } : null;
    }
    case "create": {
      const outcome = await store.reserve({ v4: request.subnet, v6: null }, decision.attrs, view, signal);
      return outcome.kind === "reserved" ? { change: "created", lease: outcome.lease } : null;
    }
  }
}

async function tryRelease(
  request: ReleaseRequest,
  { list }: Look,
  store: OperatorCalls,
  signal: AbortSignal,
): Promise<Done | null> {
  const decision = decideRelease(request, list);
  switch (decision.kind) {
    case "refused":
      throw new FlannelError("request.refused", decision);
    case "lease": {
      const outcome = await store.setTerm(decision.lease, LEASE_TTL, signal);
      return outcome.kind === "renewed" ? { change: "leased", lease: outcome.lease } : null;
    }
    case "delete": {
      const outcome = await store.remove(decision.lease, signal);
      return outcome.kind === "removed" ? { change: "deleted", lease: decision.lease } : null;
    }
    case "released-already":
      return { change: "released-already", lease: decision.lease };
    case "absent":
      return { change: "absent", target: request.target };
    case "delete-bad": {
      const outcome = await store.removeBad(decision.key, signal);
      return outcome.kind === "removed" ? { change: "deleted-bad", key: decision.key } : null;
    }
  }
}

/** A subnet can be judged only by a config that the daemons accept. */
function validConfig(text: string): ValidConfig {
  const check = checkConfig(text);
  if (check.kind === "valid") return check;
  const [problem] = check.problems;
  throw new FlannelError("config.invalid", {
    at: `the network config in etcd: ${problem?.at ?? "$"}`,
    reason: problem?.reason ?? "is not valid",
  });
}

function readSubnet({ words: [word = ""] }: VerbCall): Prefix4 {
  const parsed = orNull(() => parsePrefix4(word));
  if (parsed === null) throw usage(`${JSON.stringify(word)} is not a subnet such as 10.5.52.0/24`);
  if (parsed !== word) throw usage(`${word} has a host part: did you mean ${parsed}?`);
  return parsed;
}

/** What is no subnet is taken for a record's key only where a key can be meant: a typing error is more likely. */
function readTarget(call: VerbCall, mayBeKey: boolean): ReleaseTarget {
  const [word = ""] = call.words;
  const isSubnet = orNull(() => parsePrefix4(word)) !== null;
  return mayBeKey && !isSubnet ? { kind: "key", key: word } : { kind: "subnet", subnet: readSubnet(call) };
}

function readPublicIp(call: VerbCall): Ipv4 | null {
  const text = textOf(call, "public-ip");
  if (text === null) return null;
  const address = orNull(() => parseIpv4(text));
  if (address === null) throw usage(`--public-ip=${text}: must be an IPv4 address`);
  if (!isUnicastIpv4(address))
    throw usage(`--public-ip=${text}: must be a unicast address, since other hosts send to it`);
  return address;
}

function orNull<T>(parse: () => T): T | null {
  try {
    return parse();
  } catch {
    return null;
  }
}

function usage(problem: string): FlannelError {
  return new FlannelError("usage.invalid", { problems: [problem] });
}

function report(done: Done, call: VerbCall, { out }: OperatorPorts): void {
  if (call.json) printJson(out, doneJson(done));
  else printLines(out, [sentence(done)]);
}

/** Where there is no lease to tell of. */
const NO_LEASE = { key: null, subnet: null, publicIp: null, backend: null, expires: null };

function doneJson(done: Done): Json {
  if (done.change === "deleted-bad") return { ...NO_LEASE, key: done.key, kind: "deleted", changed: true };
  if (done.change === "absent") {
    const { target } = done;
    const named = target.kind === "key" ? { key: target.key } : { subnet: target.subnet };
    return { ...NO_LEASE, ...named, kind: "none", changed: false };
  }
  const { change, lease } = done;
  const { key, subnet, attrs, term } = lease;
  const isDeleted = change === "deleted";
  return {
    key,
    subnet: subnet.v4,
    publicIp: attrs.publicIp,
    backend: backendName(attrs.backendType),
    kind: isDeleted ? "deleted" : term.kind === "reserved" ? "reserved" : "leased",
    expires: !isDeleted && term.kind === "until" ? new Date(term.at).toISOString() : null,
    changed: change !== "reserved-already" && change !== "released-already",
  };
}

function sentence(done: Done): string {
  if (done.change === "absent") return `there is no record of ${nameOf(done.target)}; nothing was changed`;
  if (done.change === "deleted-bad") return `deleted the record ${JSON.stringify(done.key)}, which was no lease`;
  return sentenceOf(done);
}

function sentenceOf({ change, lease }: Extract<Done, { lease: Lease }>): string {
  const { v4 } = lease.subnet;
  const { publicIp } = lease.attrs;
  switch (change) {
    case "created":
      return `reserved ${v4} for the host ${publicIp}, which gets it when flanneld starts there`;
    case "kept":
      return `reserved ${v4} for the host ${publicIp}: its lease does not end any more`;
    case "reserved-already":
      return `${v4} is reserved for the host ${publicIp} already; nothing was changed`;
    case "leased":
      return `released ${v4}: it is a lease again, which ends in 24 h unless flanneld on ${publicIp} renews it`;
    case "released-already":
      return `${v4} is an ordinary lease of the host ${publicIp} already; nothing was changed`;
    case "deleted":
      return `released ${v4}: its record is deleted; a flanneld that runs on ${publicIp} leases a subnet anew`;
  }
}
