// Warns of a host that does not forward the packets of the overlay: its pods then reach nobody on other hosts, and nothing
// else says why. The kernel tells when somebody switches forwarding off; it is looked at then, when somebody asks for the
// status, and every minute.
// Compat: the Go daemon sets nothing and says nothing. We set nothing, either: whether a host forwards is its
// administrator's decision.

import { type Millis, millis, minutes } from "./base/brand.ts";
import type { Clock } from "./base/clock.ts";
import { createComplaint } from "./base/complaint.ts";
import { createDoorbell, waitAtMost } from "./base/doorbell.ts";
import { isError } from "./base/errors.ts";
import { FAMILIES, type Family, familyOf } from "./base/ip.ts";
import type { Logger } from "./base/log.ts";
import type { Remedy } from "./base/remedy.ts";
import { shareAnswers } from "./base/share-answers.ts";
import { runTasks, type Task } from "./base/tasks.ts";
import { createWaiters } from "./base/waiters.ts";
import { orUnknown } from "./check/facts.ts";
import type { Finding } from "./check/finding.ts";
import { forwardingSysctls, judgeForwarding, type OwnSubnets, podDevices } from "./check/forwarding.ts";
import type { ForwardingHint, WatchForwarding } from "./net/forwarding-hint.ts";
import type { KernelNet } from "./net/kernel-net.ts";
import type { LinkName } from "./net/objects.ts";
import type { Plan } from "./net/plan.ts";
import { hasIpv4, type Subnet } from "./subnet/lease.ts";

/** The remedy is the command that ends it. */
export type ForwardingTrouble = Pick<Finding, "sentence" | keyof Remedy>;

export interface ForwardingWatch {
  /** What is planned now: by what it leads packets out, those of the others come in. */
  follow(plan: Plan): void;
  /** As of the last look; null while the host forwards, or when it cannot be told. */
  trouble(): ForwardingTrouble | null;
  /** Resolves when what is told is of now, or of a moment ago. Never rejects. */
  refresh(): Promise<void>;
  run: Task;
}

export interface WatchForwardingDeps {
  readonly kernel: Pick<KernelNet, "underlayFacts">;
  readonly sysctls: (names: readonly string[]) => Promise<Readonly<Record<string, string>>>;
  readonly watchForwarding: WatchForwarding;
  /** Those of the network. */
  readonly families: () => readonly Family[];
  /** This host's part of the network. */
  readonly subnet: () => Subnet;
  /** There is trouble, or none any more. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

const INTERVAL = minutes(1);
/** What is changed together is looked at once: a new pod makes some hints, and `ip_forward` one for each interface. */
const SETTLE = millis(200);
/** How long it must last to be logged. After a boot Docker and CNI plugins switch it on, and they start after us. */
const PATIENCE_AT_FIRST = minutes(1);
/** Where it was on before: `sysctl --system` goes through all files of an administrator. */
const PATIENCE = millis(500);
const HINTED = "hint";
const HINT = "and the same line in a file of /etc/sysctl.d for the next boot";

export function createForwardingWatch(deps: WatchForwardingDeps): ForwardingWatch {
  const { clock } = deps;
  const bell = createDoorbell();
  const told = createTeller(deps);
  let plan: Plan | null = null;
  const look = async () => told.found(await judge(plan, deps));
  const answer = shareAnswers(look, clock);
  // Kernel: every new interface says what it begins with, and that is off for IPv6 where nobody asked for that.
  const isNews = ({ family, mayBeOff }: ForwardingHint) =>
    (family === null || deps.families().includes(family)) && (mayBeOff || told.trouble() !== null);
  const tasks: Readonly<Record<string, Task>> = {
    hear: (signal) => hear(deps.watchForwarding, (hint) => isNews(hint) && bell.ring(HINTED), signal),
    async look(signal) {
      for (;;) {
        await look();
        const rung = await waitAtMost(told.rest(), bell, clock, signal);
        if (!rung.has(HINTED)) continue;
        await clock.sleep(SETTLE, signal);
        bell.silence();
      }
    },
  };
  return {
    follow(next) {
      plan = next;
    },
    trouble: told.trouble,
    async refresh() {
      // It is logged after a while.
      if (await answer(null)) bell.ring("found");
    },
    run: (signal) => runTasks(tasks, signal),
  };
}

async function hear(
  watch: WatchForwarding,
  onHint: (hint: ForwardingHint) => unknown,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const hint of watch(signal)) onHint(hint);
  } catch (error) {
    // Without hints everything works, a look later.
    if (!isError(error, "netlink.errno")) throw error;
  }
  await createWaiters().until(() => false, signal);
}

async function judge(
  plan: Plan | null,
  { kernel, sysctls, families: familiesNow, subnet }: WatchForwardingDeps,
): Promise<Finding> {
  const families = familiesNow();
  // Of both families: of IPv6 alone it would look for the default routes, among those of thousands of peers.
  const seen = await orUnknown(() => kernel.underlayFacts(FAMILIES, new AbortController().signal));
  const pods = podDevices(seen.known ? seen.value.interfaces : [], prefixesOf(subnet()));
  const inputs = inputsOf(plan);
  const devices = { ipv4: [...inputs.ipv4, ...pods.ipv4], ipv6: [...inputs.ipv6, ...pods.ipv6] };
  return judgeForwarding({ families, devices, sysctls: await sysctls(forwardingSysctls({ families, devices })) });
}

function prefixesOf(subnet: Subnet): OwnSubnets {
  return { v4: hasIpv4(subnet) ? [subnet.v4] : [], v6: subnet.v6 === null ? [] : [subnet.v6] };
}

/** flanneld's devices, and those that lead to peers: what comes from there comes in by the same. */
function inputsOf(plan: Plan | null): Readonly<Record<Family, ReadonlySet<LinkName>>> {
  const devices = { ipv4: new Set<LinkName>(), ipv6: new Set<LinkName>() };
  for (const object of plan?.want ?? []) {
    if (object.kind === "address") devices[familyOf(object.address)].add(object.dev);
    if (object.kind === "route") devices[familyOf(object.dst)].add(object.dev);
  }
  return devices;
}

interface Teller {
  trouble(): ForwardingTrouble | null;
  /** Whether it is another trouble than before, or one less. */
  found(finding: Finding): boolean;
  /** Until the next look. */
  rest(): Millis;
}

function createTeller({ onChange, clock, log }: Pick<WatchForwardingDeps, "onChange" | "clock" | "log">): Teller {
  const complaint = createComplaint(
    { raised: "this host does not forward packets", settled: "this host forwards packets again" },
    { clock, log },
  );
  let trouble: ForwardingTrouble | null = null;
  let since = 0;
  let wasOn = false;
  const patienceLeft = () => since + (wasOn ? PATIENCE : PATIENCE_AT_FIRST) - clock.monotonic();
  return {
    trouble: () => trouble,
    rest: () => (trouble !== null && patienceLeft() > 0 ? millis(patienceLeft()) : INTERVAL),
    found(finding) {
      // What cannot be told is as it was.
      if (finding.verdict === "skip") return false;
      const before = trouble;
      trouble = finding.verdict === "fail" ? finding : null;
      if (before === null) since = clock.monotonic();
      wasOn ||= trouble === null;
      if (trouble === null) complaint.settle();
      else if (patienceLeft() <= 0) complaint.raise(trouble.sentence, { hint: `${trouble.remedy}, ${HINT}` });
      const isNew = trouble?.sentence !== before?.sentence;
      if (isNew) onChange();
      return isNew;
    },
  };
}
