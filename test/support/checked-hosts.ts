// `flanneld check` and `flanneld status` as an operator runs them on the hosts of a cluster.

import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Flanneld } from "../../lab/flanneld.ts";
import { attempt, type Output } from "../../lab/run.ts";
import { inNamespace, ipBatch } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { type Millis, seconds } from "../../src/base/brand.ts";
import { type Cluster, PREFIX } from "./cluster.ts";

/** This file runs from dist/test/support. */
export const PROGRAM = join(import.meta.dirname, "../../../bin/flanneld");
export const LIMIT = seconds(60);

interface Report {
  readonly outcome: string;
  readonly cause: string | null;
  readonly checks: readonly { readonly name: string; readonly verdict: string; readonly sentence: string }[];
}

/** Of a cluster that is opened before the first test. */
export function checksOn(cluster: () => Cluster, signal: AbortSignal) {
  const lineOf = (host: number, words: readonly string[], wrapper: readonly string[] = []): readonly string[] => {
    const machine = cluster().hosts[host];
    assert.ok(machine);
    const places = [
      `--subnet-file=${join(machine.directory, "subnet.env")}`,
      `--state-dir=${join(machine.directory, "state")}`,
    ];
    const line = [PROGRAM, "check", `--etcd-endpoints=${cluster().endpoint}`, "--timeout=5", ...places, ...words];
    return inNamespace(machine.namespace, [...wrapper, ...line]);
  };
  const check = (host: number, ...words: string[]): Promise<Output> =>
    attempt(lineOf(host, words), { limit: LIMIT }, signal);
  const report = async (host: number, ...words: string[]) =>
    JSON.parse((await check(host, ...words, "--json")).stdout) as Report;
  /** The last line of the text, where the status says broken; what it says is for a person alone. */
  const causeOf = async (host: number, ...words: string[]): Promise<string> => {
    const { status, stdout, stderr } = await check(host, ...words);
    assert.equal(stderr, "");
    const last = stdout.trimEnd().split("\n").at(-1) ?? "";
    assert.match(last, status === 2 ? /^broken: / : status === 1 ? /^degraded: / : /^fine/, stdout);
    return last;
  };
  /** Or will be soon: a host hears of another, and of what was mended, a moment later. */
  const isFine = async (host: number, ...words: string[]): Promise<void> => {
    let last: Report | null = null;
    const look = async () => {
      last = await report(host, ...words);
      return last.outcome === "fine" && last.cause === null ? true : null;
    };
    await waitFor(`all to be well on host ${host}`, look, LIMIT, signal).catch((error: unknown) => {
      throw new Error(`${error}: ${JSON.stringify(last, null, 1)}`);
    });
  };
  /** What the daemon knows of it by itself, or has known when it ended, in one line of the status. */
  const statusTells = async (host: number, line: RegExp, limit: Millis = LIMIT): Promise<void> => {
    const socket = `--socket=${cluster().hosts[host]?.directory}`;
    let last = "";
    const look = async () => {
      const { stdout, stderr } = await cluster().tryOn(host, PROGRAM, "status", socket);
      last = `${stdout}${stderr}`;
      return line.exec(last);
    };
    await waitFor(`${line} in the status`, look, limit, signal).catch((error: unknown) => {
      throw new Error(`${error}: ${last}`);
    });
  };
  /** It was mended. */
  const statusForgets = async (host: number, line: RegExp): Promise<void> => {
    const look = async () => {
      const { stdout } = await cluster().tryOn(host, PROGRAM, "status", `--socket=${cluster().hosts[host]?.directory}`);
      return stdout !== "" && !line.test(stdout) ? true : null;
    };
    await waitFor(`a status without ${line}`, look, LIMIT, signal);
  };
  return { lineOf, check, report, causeOf, isFine, statusTells, statusForgets };
}

/** Stops it, and leaves nothing of it, neither here nor in etcd. */
export async function retire(cluster: Cluster, host: number, daemon: Flanneld, signal: AbortSignal): Promise<void> {
  const [, subnet = ""] = /^FLANNEL_SUBNET=(\S+)$/m.exec(readFileSync(daemon.subnetFile, "utf8")) ?? [];
  assert.equal(await daemon.stop(signal), 0);
  await ipBatch(cluster.hosts[host]?.namespace ?? "", ["link del flannel.1"], signal);
  rmSync(daemon.subnetFile);
  const [address, length] = subnet.split("/");
  const key = `${address?.replace(/1$/, "0")}-${length}`;
  await cluster.etcdctl("del", `${PREFIX}/subnets/${key}`);
}

export async function putConfig(cluster: Cluster, prefix: string, config: object): Promise<void> {
  await cluster.etcdctl("put", `${prefix}/config`, JSON.stringify(config));
}

/** A record as a daemon would write it, with this many seconds left. */
export async function putRecord(
  cluster: Cluster,
  prefix: string,
  subnet: string,
  publicIp: string,
  left = 86_400,
): Promise<void> {
  const [, id = ""] = (await cluster.etcdctl("lease", "grant", String(left))).split(" ");
  const value = JSON.stringify({
    PublicIP: publicIp,
    PublicIPv6: null,
    BackendType: "vxlan",
    BackendData: { VNI: 1, VtepMAC: "02:00:00:00:09:09" },
  });
  await cluster.etcdctl("put", `--lease=${id}`, `${prefix}/subnets/${subnet.replace("/", "-")}`, value);
}
