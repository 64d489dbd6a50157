// Gathers what `check` goes by. Everything is asked for side by side where nothing depends on it, and no question that
// stays without an answer keeps the others from being asked.

import { BACKEND_TYPES } from "../backends/registry.ts";
import type { EpochMillis } from "../base/brand.ts";
import { FlannelError, isError } from "../base/errors.ts";
import { FAMILIES, type Family } from "../base/ip.ts";
import { placeOf } from "../base/paste.ts";
import {
  addressesOf,
  type Facts,
  type Known,
  known,
  NO_IPV4_NETWORK,
  orUnknown,
  type StoreFacts,
  unknown,
  type WantedBackend,
} from "../check/facts.ts";
import { forwardingSysctls, podDevices } from "../check/forwarding.ts";
import type { HostProbe } from "../check/host-probe.ts";
import { devicesOf, isFlannel, ownSubnets, reversePathSysctls } from "../check/interface-checks.ts";
import { wantedBackend } from "../check/wanted-backend.ts";
import { readUnderlayOptions, type UnderlayOptions } from "../cli/options.ts";
import { textOf, type VerbCall } from "../cli/verbs.ts";
import { controlSocketPath } from "../control/path.ts";
import type { UnderlayFacts } from "../net/kernel-net.ts";
import { markOf } from "../net/objects.ts";
import { chooseUnderlay, type UnderlayRequest } from "../net/underlay.ts";
import { withoutOwnSubnet } from "../net/underlay-change.ts";
import type { Ipv4Network, Ipv6Network, NetworkConfig } from "../subnet/network-config.ts";
import { familiesOf } from "../subnet/network-families.ts";
import { checkConfig } from "./check-config.ts";
import { type Adoption, adoptFlags } from "./daemon-flags.ts";
import { withForwarded } from "./gather-forwarded.ts";
import { gatherPeers } from "./gather-peers.ts";
import { lookAtStore } from "./look.ts";
import { configKey, withStore } from "./session.ts";
import type { KernelLook, OperatorPorts } from "./verb.ts";

export async function gatherFacts(given: VerbCall, ports: OperatorPorts, signal: AbortSignal): Promise<Facts> {
  readUnderlay(given);
  const wanted = readBackend(given);
  using kernel = await ports.openKernel();
  using host = await ports.openHost();
  const daemons = await host.daemons();
  const { call, adopted, root } = adoptFlags(given, daemons);
  const answers = await askAtOnce(call, ports, kernel, signal);
  const { store, etcd, links } = answers;
  const { parsed, ...config } = readConfig(store, wanted);
  const files = await readFiles(given, { call, root }, host);
  const own = { v4: files.subnetFile.subnet, v6: files.subnetFile.subnet6 };
  const request = { ...readUnderlay(call), families: config.families };
  const { underlay, interfaces } = findInterface(answers.seen, own, request);
  const hasDevice = hasOwnDevice(underlay, links, config.backends, call.etcd.prefix);
  const peers = await gatherPeers(
    { list: store.known ? store.value.list : null, network: parsed },
    { own: addressesOf(interfaces), subnets: own, hasDevice, families: config.families, underlay },
    { call, ports, kernel },
    signal,
  );
  const facts = {
    now: ports.clock.now(),
    prefix: call.etcd.prefix,
    user: await host.user(),
    daemons,
    carried: await host.carriedDevices(),
    ...(await readLastEnd(files.subnetFile.path, call.etcd.prefix, ports, signal)),
    adopted,
    etcd: placeOf(call.etcd),
    asking: call.asking,
    store,
    certificates: etcd.problem === null ? known(etcd.certificates) : unknown(etcd.problem),
    clocks: etcd.clocks,
    ...config,
    ...(await probeHost(host, { ...answers, ...config, ...files, underlay, interfaces }, signal)),
    underlay,
    interfaces,
    links,
    ...files,
    neighbours: withSomething(answers.neighbours),
    ...peers,
  };
  return await withForwarded(facts, host, signal);
}

/** What needs no other answer. Throws `usage.invalid`. */
async function askAtOnce(call: VerbCall, ports: OperatorPorts, kernel: KernelLook, signal: AbortSignal) {
  const options = readUnderlay(call);
  const [store, etcd, seen, links, neighbours] = await Promise.all([
    readStore(call, ports, signal),
    ports.checkUpEtcd(call.etcd, signal),
    orUnknown(() => lookAround(options, kernel, signal)),
    orUnknown(() => kernel.links(signal)),
    orUnknown(() => kernel.neighbourTable(signal)),
  ]);
  return { store, etcd, seen, links, neighbours };
}

/** What the call names itself is named as it is seen from here. */
async function readFiles(
  { settings }: VerbCall,
  { call, root }: Pick<Adoption, "call" | "root">,
  host: HostProbe,
): Promise<Pick<Facts, "subnetFile" | "nodeId">> {
  const placeOf = (name: string) => host.placeOf(textOf(call, name) ?? "", settings[name]?.given === true ? "" : root);
  const path = await placeOf("subnet-file");
  return {
    subnetFile: { path, ...(await host.subnetFile(path)) },
    nodeId: await host.nodeId(await placeOf("state-dir"), root),
  };
}

type LocalFacts = Pick<
  Facts,
  "vxlan" | "tun" | "sysctls" | "reversePathDrops" | "routes" | "routes6" | "ports" | "rules" | "offload"
>;

async function probeHost(
  host: HostProbe,
  found: SysctlFacts & Pick<Facts, "backends">,
  signal: AbortSignal,
): Promise<LocalFacts> {
  const { underlay, backends } = found;
  return {
    vxlan: host.vxlan(),
    tun: await host.tun(),
    sysctls: await host.sysctls(sysctlsOf(found)),
    reversePathDrops: await host.reversePathDrops(),
    routes: await host.routes(),
    routes6: await host.routes6(),
    ports: backends.flatMap(({ port }) => (port === null ? [] : [{ port, holder: host.portHolder(port) }])),
    rules: await host.rules(found.families, signal),
    offload: underlay.known ? await host.offload(underlay.value.link, signal) : unknown("there is no interface"),
  };
}

function hasOwnDevice(
  underlay: Facts["underlay"],
  links: Facts["links"],
  backends: readonly WantedBackend[],
  prefix: string,
): boolean {
  if (!underlay.known || !links.known) return false;
  return devicesOf({ underlay: underlay.value, links: links.value, mark: markOf(prefix) }, backends).length > 0;
}

type SysctlFacts = Pick<Facts, "underlay" | "links" | "interfaces" | "subnetFile" | "store" | "families">;

/** Those that something is judged by. */
function sysctlsOf(found: SysctlFacts): readonly string[] {
  const { underlay, links, interfaces, families } = found;
  const devices = [
    ...(underlay.known ? [underlay.value.link] : []),
    ...(links.known ? links.value : []).map(({ name }) => name).filter(isFlannel),
  ];
  const pods = podDevices(interfaces.known ? interfaces.value : [], ownSubnets(found));
  const inputs = { ipv4: [...devices, ...pods.ipv4], ipv6: [...devices, ...pods.ipv6] };
  return [...forwardingSysctls({ families, devices: inputs }), ...reversePathSysctls(devices)];
}

async function readLastEnd(
  subnetFile: string,
  prefix: string,
  { control }: OperatorPorts,
  signal: AbortSignal,
): Promise<Pick<Facts, "lastEnd" | "wasKilled">> {
  const socket = controlSocketPath(null, subnetFile);
  if (socket === null) return { lastEnd: null, wasKilled: false };
  const last = (await control.notes(socket)).find(
    (note) => note.kind === "ended" && (note.prefix ?? prefix) === prefix,
  );
  return {
    lastEnd: last ? { at: Date.parse(last.at) as EpochMillis, message: last.message } : null,
    wasKilled: await control.isDeserted(socket, signal),
  };
}

/** Throws `usage.invalid`. */
function readUnderlay({ settings }: VerbCall): UnderlayOptions {
  const { options, problems } = readUnderlayOptions(settings);
  if (problems.length > 0) throw new FlannelError("usage.invalid", { problems });
  return options;
}

/** Null: whichever the network config says. Throws `usage.invalid`. */
function readBackend(call: VerbCall): string | null {
  const type = textOf(call, "backend");
  if (type === null || BACKEND_TYPES.includes(type)) return type;
  throw new FlannelError("usage.invalid", {
    problems: [`-backend=${type}: must be one of ${BACKEND_TYPES.join(", ")}`],
  });
}

async function readStore(call: VerbCall, ports: OperatorPorts, signal: AbortSignal): Promise<Known<StoreFacts>> {
  try {
    return await withStore(call, ports, async (store) => {
      const { view, list } = await lookAtStore(store, signal);
      const refusal = (await store.refusal(signal))?.message ?? null;
      const { endpoints } = call.etcd;
      return known({ endpoints, configKey: configKey(call), config: view.config?.text ?? null, list, refusal });
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FlannelError)) throw error;
    return unknown(error.message);
  }
}

interface ConfigFacts {
  /** The whole of it; null when daemons would not accept it. */
  readonly parsed: NetworkConfig | null;
  /** Of the network; IPv4 as long as it is not known. */
  readonly families: readonly Family[];
  readonly network: Known<Ipv4Network>;
  readonly network6: Ipv6Network | null;
  readonly backends: readonly WantedBackend[];
  readonly isBackendKnown: boolean;
}

function readConfig(store: Known<StoreFacts>, wanted: string | null): ConfigFacts {
  const all = wanted === null ? BACKEND_TYPES : [wanted];
  const guessed = all.map((type) => wantedBackend({ type, options: {} }));
  const without = (reason: string): ConfigFacts => ({
    parsed: null,
    families: ["ipv4"],
    network: unknown(reason),
    network6: null,
    backends: guessed,
    isBackendKnown: wanted !== null,
  });
  if (!store.known) return without("etcd cannot be asked for the network config");
  const { config, configKey: key } = store.value;
  if (config === null) return without(`there is no network config at ${key}`);
  const check = checkConfig(config);
  if (check.kind === "invalid") {
    const [first] = check.problems;
    return without(`the network config at ${key} is not valid: ${first?.at}: ${first?.reason}`);
  }
  const { ipv4, ipv6, backend } = check.network;
  return {
    parsed: check.network,
    families: familiesOf(check.network),
    network: ipv4 ? known(ipv4) : unknown(NO_IPV4_NETWORK),
    network6: ipv6,
    backends: [wantedBackend(backend)],
    isBackendKnown: true,
  };
}

interface Surroundings {
  readonly facts: UnderlayFacts;
  readonly reach: Awaited<ReturnType<KernelLook["lookup"]>>;
}

/** All that the kernel is asked for choosing an interface. */
async function lookAround(
  { canReach }: UnderlayOptions,
  kernel: KernelLook,
  signal: AbortSignal,
): Promise<Surroundings> {
  const both = await kernel.underlayFacts(FAMILIES, signal);
  // Whether IPv4 is in the network is not known yet.
  const { defaultRoutes6 } = await kernel.underlayFacts(["ipv6"], signal);
  const facts = { ...both, defaultRoutes6 };
  return { facts, reach: canReach && (await kernel.lookup(canReach, signal)) };
}

function findInterface(
  seen: Known<Surroundings>,
  own: Parameters<typeof withoutOwnSubnet>[1],
  request: UnderlayRequest,
): Pick<Facts, "underlay" | "interfaces"> {
  if (!seen.known) return { underlay: seen, interfaces: seen };
  const { facts, reach } = seen.value;
  const interfaces = known(facts.interfaces);
  try {
    return { underlay: known(chooseUnderlay(withoutOwnSubnet(facts, own), request, reach)), interfaces };
  } catch (error) {
    if (!isError(error, "interface.not-found")) throw error;
    return { underlay: unknown(error.message), interfaces };
  }
}

function withSomething<T>(answer: Known<T | null>): Known<T> {
  if (!answer.known) return answer;
  return answer.value === null ? unknown("the kernel does not say") : known(answer.value);
}
