// What the end-to-end tests of the firewall do on a host: the kind of iptables it has, packets and whose address they
// carry, and how often the daemon has looked at its rules.

import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { parseSubnetEnv } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { run } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import type { Cluster } from "./cluster.ts";
import { FORWARD_JUMP, goForward, goMasquerade, MASQ_JUMP } from "./firewall.ts";
import { LIMIT } from "./overlay-host.ts";

export type IptablesVariant = "nft" | "legacy";

/** The overlay network of these tests. */
export const NET = "10.5.0.0/16";

const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A PATH in which the plain names mean iptables of one kind, as after update-alternatives on the machine. */
export function pathWith(cluster: Cluster, kind: IptablesVariant): string {
  const directory = join(cluster.topology.run.directory, `sbin-${kind}`);
  mkdirSync(directory);
  for (const family of ["iptables", "ip6tables"]) {
    for (const end of ["", "-save", "-restore"]) {
      symlinkSync(`/usr/sbin/${family}-${kind}${end}`, join(directory, `${family}${end}`));
    }
  }
  return `${directory}:${SYSTEM_PATH}`;
}

/** A datagram that is sent again until it has arrived. */
export interface Journey {
  readonly from: string;
  /** Of the sender; without it the kernel chooses. */
  readonly source?: string;
  readonly to: string;
  readonly address: string;
  /** A multicast group instead of the address, through the interface that has this one at the sender. */
  readonly group?: { readonly ip: string; readonly through: string };
}

/** The source address that the receiver sees. */
export async function sourceSeen(journey: Journey, signal: AbortSignal): Promise<string> {
  const { from, to, address, source, group } = journey;
  const [type, any] = address.includes(":") ? ["udp6", "::"] : ["udp4", "0.0.0.0"];
  const receive = `
    const socket = require("node:dgram").createSocket("${type}");
    socket.on("message", (_, from) => console.log(from.address));
    socket.bind(9999, () => {
      ${group ? `socket.addMembership("${group.ip}", "${address}");` : ""}
      console.log("bound");
    });`;
  const send = `
    const socket = require("node:dgram").createSocket("${type}");
    socket.bind({ port: 0, address: ${JSON.stringify(source ?? any)} }, () => {
      ${group ? `socket.setMulticastInterface("${group.through}");` : ""}
      socket.send("x", 9999, "${group?.ip ?? address}", () => socket.close());
    });`;
  const [program = "", ...args] = inNamespace(to, [process.execPath, "-e", receive]);
  const receiver = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((done) => receiver.on("close", done));
  const lines: string[] = [];
  receiver.stdout.on("data", (chunk) => lines.push(...String(chunk).trim().split("\n")));
  try {
    await waitFor("the receiver", () => (lines.length > 0 ? true : null), LIMIT, signal);
    const arrived = async () => {
      await run(inNamespace(from, [process.execPath, "-e", send]), {}, signal);
      return lines[1] ?? null;
    };
    return await waitFor(`a datagram from ${from} to ${address}`, arrived, LIMIT, signal);
  } finally {
    receiver.kill("SIGKILL");
    await ended;
  }
}

export interface RuleCounts {
  readonly checks: number;
  readonly written: number;
  readonly repaired: number;
}

/** The daemon's own count, asked for with SIGUSR1. */
export async function ruleCounts(daemon: Flanneld, signal: AbortSignal): Promise<RuleCounts> {
  const reports = () =>
    [...daemon.log().matchAll(/firewall rules checks=(\d+) written=(\d+) repaired=(\d+)/g)].map((found) =>
      found.slice(1).map(Number),
    );
  const before = reports().length;
  process.kill(daemon.pid, "SIGUSR1");
  const look = () => reports()[before] ?? null;
  const [checks = 0, written = 0, repaired = 0] = await waitFor("the report", look, LIMIT, signal);
  return { checks, written, repaired };
}

/** Until the daemon has begun and ended a look at its rules from now on; `nudge` makes it look. */
export async function nextCheck(daemon: Flanneld, nudge: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  // The first one may have been under way.
  for (let time = 0; time < 2; time++) {
    const { checks } = await ruleCounts(daemon, signal);
    await nudge();
    const look = async () => ((await ruleCounts(daemon, signal)).checks > checks ? true : null);
    await waitFor("another check", look, LIMIT, signal);
  }
}

/**
 * Every rule of ours on the first host, without what differs between kinds of iptables: those of iptables-nft, those of
 * iptables-legacy, and the tables of nft.
 */
export async function rulesOfFlannel(cluster: Cluster): Promise<readonly string[]> {
  const shell = (line: string) => cluster.on(0, "sh", "-c", line);
  const save = (tool: string) => shell(`${tool} | grep -v '^#' | grep -i flannel || true`);
  const nft = await shell("nft list tables | grep flannel || true");
  const texts = [await save("iptables-nft-save"), await save("iptables-legacy-save"), nft];
  return texts.map((text) => text.trim().split("\n").sort().join("\n"));
}

export function podSubnet(one: Flanneld): string {
  return parseSubnetEnv(readFileSync(one.subnetFile, "utf8")).subnet.replace(/\.1\/24$/, ".0/24");
}

/** All of ours in iptables. */
export function wholeSet(one: Flanneld): string {
  const chains = [":FLANNEL-POSTRTG - [0:0]", ":FLANNEL-FWD - [0:0]"];
  const rules = [MASQ_JUMP, FORWARD_JUMP, ...goMasquerade(NET, podSubnet(one)), ...goForward(NET)];
  return [...chains, ...rules].sort().join("\n");
}
