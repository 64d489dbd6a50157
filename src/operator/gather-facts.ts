// Gathers what `check` goes by. Everything is asked for side by side where nothing depends on it, and no question that
// stays without an answer keeps the others from being asked.

import { BACKEND_TYPES, backendSettings, createBackend } from "../backends/registry.ts";
import { FlannelError, isError } from "../base/errors.ts";
import type { Family } from "../base/ip.ts";
import {
  type Facts,
  type Known,
  known,
  NO_IPV4_NETWORK,
  type StoreFacts,
  unknown,
  type WantedBackend,
} from "../check/facts.ts";
import { isFlannel } from "../check/interface-checks.ts";
import { readUnderlayOptions, type UnderlayOptions } from "../cli/options.ts";
import { textOf, type VerbCall } from "../cli/verbs.ts";
import type { UnderlayFacts } from "../net/kernel-net.ts";
import { chooseUnderlay, type Underlay, type UnderlayRequest } from "../net/underlay.ts";
import { withoutOwnSubnet } from "../net/underlay-change.ts";
import type { Ipv4Network, NetworkConfig } from "../subnet/network-config.ts";
import { familiesOf } from "../subnet/network-families.ts";
import { checkConfig } from "./check-config.ts";
import { gatherPeers } from "./gather-peers.ts";
import { lookAtStore } from "./look.ts";
import { configKey, withStore } from "./session.ts";
import type { KernelLook, OperatorPorts } from "./verb.ts";

export async function gatherFacts(call: VerbCall, ports: OperatorPorts, signal: AbortSignal): Promise<Facts> {
  const underlayOptions = readUnderlay(call);
  const wanted = readBackend(call);
  using kernel = await ports.openKernel();
  using host = await ports.openHost();
  const [store, etcd, facts, links] = await Promise.all([
    readStore(call, ports, signal),
    ports.checkUpEtcd(call.etcd, signal),
    kernel.underlayFacts(FAMILIES, signal),
    kernel.links(signal),
  ]);
  const path = textOf(call, "subnet-file") ?? "";
  const subnetFile = { path, ...(await host.subnetFile(path)) };
  const config = readConfig(store, wanted);
  const own = { v4: subnetFile.subnet, v6: null };
  const asked = { ...underlayOptions, families: config.families };
  const underlay = await findUnderlay(withoutOwnSubnet(facts, own), asked, kernel, signal);
  const devices = [
    ...(underlay.known ? [underlay.value.link] : []),
    ...links.map(({ name }) => name).filter(isFlannel),
  ];
  const sysctls = ["net.ipv4.ip_forward", ...["all", ...devices].map((dev) => `net.ipv4.conf.${dev}.rp_filter`)];
  const addresses = facts.interfaces.flatMap((link) => link.addresses.map(({ ip }) => ip));
  const leases = store.known ? store.value.list.leases : [];
  const peers = await gatherPeers(
    leases,
    { own: addresses, subnet: subnetFile.subnet, links, families: config.families },
    { call, ports, kernel },
    signal,
  );
  return {
    now: ports.clock.now(),
    prefix: call.etcd.prefix,
    user: await host.user(),
    daemons: await host.daemons(),
    store,
    certificates: etcd.problem === null ? known(etcd.certificates) : unknown(etcd.problem),
    clocks: etcd.clocks,
    ...config,
    vxlan: host.vxlan(),
    tun: await host.tun(),
    sysctls: await host.sysctls(sysctls),
    reversePathDrops: await host.reversePathDrops(),
    underlay,
    interfaces: facts.interfaces,
    links,
    routes: await host.routes(),
    ports: config.backends.flatMap(({ port }) => (port === null ? [] : [{ port, holder: host.portHolder(port) }])),
    rules: await host.rules(signal),
    subnetFile,
    nodeId: await host.nodeId(textOf(call, "state-dir") ?? ""),
    neighbours: await kernel.neighbourTable(signal),
    offload: underlay.known ? await host.offload(underlay.value.link, signal) : unknown("there is no interface"),
    ...peers,
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
      const { endpoints } = call.etcd;
      return known({ endpoints, configKey: configKey(call), config: view.config?.text ?? null, list });
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FlannelError)) throw error;
    return unknown(error.message);
  }
}

const FAMILIES: readonly Family[] = ["ipv4", "ipv6"];

interface ConfigFacts {
  /** Of the network; IPv4 as long as it is not known. */
  readonly families: readonly Family[];
  readonly network: Known<Ipv4Network>;
  readonly backends: readonly WantedBackend[];
  readonly isBackendKnown: boolean;
}

function readConfig(store: Known<StoreFacts>, wanted: string | null): ConfigFacts {
  const all = wanted === null ? BACKEND_TYPES : [wanted];
  const guessed = all.map((type) => wantedBackend({ type, options: {} }));
  const without = (reason: string): ConfigFacts => ({
    families: ["ipv4"],
    network: unknown(reason),
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
  const { ipv4, backend } = check.network;
  return {
    families: familiesOf(check.network),
    network: ipv4 ? known(ipv4) : unknown(NO_IPV4_NETWORK),
    backends: [wantedBackend(backend)],
    isBackendKnown: true,
  };
}

function wantedBackend(backend: NetworkConfig["backend"]): WantedBackend {
  const port = backendSettings(backend)["Port"];
  return { backend: createBackend(backend), port: typeof port === "number" ? port : null };
}

async function findUnderlay(
  facts: UnderlayFacts,
  request: UnderlayRequest,
  kernel: KernelLook,
  signal: AbortSignal,
): Promise<Known<Underlay>> {
  try {
    const reach = request.canReach && (await kernel.lookup(request.canReach, signal));
    return known(chooseUnderlay(facts, request, reach));
  } catch (error) {
    if (!isError(error, "interface.not-found")) throw error;
    return unknown(error.message);
  }
}
