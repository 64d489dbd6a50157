// HostProbe on /proc, the kernel, and the tools that administrators have.

import { seconds } from "../base/brand.ts";
import { systemClock } from "../base/clock.ts";
import { FlannelError, isError } from "../base/errors.ts";
import { systemRandom } from "../base/random.ts";
import { DeadlineExceeded, withDeadline } from "../base/signals.ts";
import { known, type RuleFacts, unknown } from "../check/facts.ts";
import type { HostProbe } from "../check/host-probe.ts";
import { runTool, type ToolResult } from "../firewall/tool.ts";
import type { NativeAddon } from "../native/native.ts";
import { openConnection } from "../netlink/connection.ts";
import { supportsVxlan } from "../netlink/device-support.ts";
import { udpPortHolder } from "../netlink/udp-port-holder.ts";
import { readNodeId } from "../node-id.ts";
import { openStateDirectory, readMachineId } from "../state-directory.ts";
import { parsePreviousMtu, parsePreviousSubnet, parsePreviousSubnet6, readSubnetFile } from "../subnet/subnet-file.ts";
import { parseFeatures } from "./ethtool.ts";
import { placeOf } from "./other-root.ts";
import { readDaemons, readReversePathDrops, readRoutes, readRoutes6, readSysctls, readUser, tryTun } from "./proc.ts";

export function openHostProbe(native: NativeAddon): HostProbe {
  const connection = openConnection(native);
  return {
    user: readUser,
    daemons: readDaemons,
    vxlan() {
      const supported = supportsVxlan(connection);
      return supported === null ? unknown("only root may ask the kernel") : known(supported);
    },
    tun: tryTun,
    sysctls: readSysctls,
    reversePathDrops: readReversePathDrops,
    routes: readRoutes,
    routes6: readRoutes6,
    portHolder: (port) => udpPortHolder(port, "ipv4") ?? udpPortHolder(port, "ipv6"),
    rules: readRules,
    offload: async (dev, signal) => {
      const result = await runBriefly(["ethtool", "-k", dev], signal);
      if (result.kind === "missing") return unknown("there is no ethtool here");
      if (result.status !== 0) return unknown(firstLine(result.stderr));
      return known(parseFeatures(result.stdout));
    },
    placeOf,
    async subnetFile(path) {
      const text = await readSubnetFile(path).catch(() => null);
      if (text === null) return { subnet: null, subnet6: null, mtu: null };
      const [v4, v6] = [parsePreviousSubnet(text), parsePreviousSubnet6(text)];
      return {
        subnet: v4.kind === "found" ? v4.subnet : null,
        subnet6: v6.kind === "found" ? v6.subnet : null,
        mtu: parsePreviousMtu(text),
      };
    },
    nodeId: async (path, root) => {
      const state = openStateDirectory(path, { random: systemRandom });
      return await readNodeId({ state, readMachineId: () => readMachineId(root) });
    },
    [Symbol.dispose]: () => connection[Symbol.dispose](),
  };
}

/** The plain name stands for one of the two; what both print is kept once. */
const SAVES = ["iptables", "iptables-nft", "iptables-legacy"];

async function readRules(signal: AbortSignal): ReturnType<HostProbe["rules"]> {
  try {
    const iptables: Record<string, string> = {};
    for (const tool of SAVES) {
      const text = await read([`${tool}-save`], signal);
      if (text !== null && !Object.values(iptables).map(withoutRemarks).includes(withoutRemarks(text))) {
        iptables[tool] = text;
      }
    }
    const nftables = await read(["nft", "-j", "list", "ruleset"], signal);
    return known({ iptables, nftables } satisfies RuleFacts);
  } catch (error) {
    if (!isError(error, "firewall.failed")) throw error;
    return unknown(error.info.reason);
  }
}

/** What takes longer hangs. */
const TOOL_LIMIT = seconds(20);

async function runBriefly(command: readonly string[], signal: AbortSignal): Promise<ToolResult> {
  try {
    return await withDeadline(TOOL_LIMIT, systemClock, signal, (scope) => runTool(command, "", scope));
  } catch (error) {
    if (!(error instanceof DeadlineExceeded)) throw error;
    return { kind: "ended", status: 255, stdout: "", stderr: `${command[0]}: ${error.message}` };
  }
}

/** Times and counters differ from call to call. */
function withoutRemarks(text: string): string {
  return text.replaceAll(/^#.*\n|\[\d+:\d+\]/gm, "");
}

async function read(command: readonly string[], signal: AbortSignal): Promise<string | null> {
  const result = await runBriefly(command, signal);
  if (result.kind === "missing") return null;
  if (result.status === 0) return result.stdout;
  throw new FlannelError("firewall.failed", { tool: command[0] ?? "", reason: firstLine(result.stderr) });
}

function firstLine(text: string): string {
  return text.trim().split("\n")[0] || "it said nothing";
}
