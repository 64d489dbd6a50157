// The operator's commands as an operator has them: the built program without root and without the addon, a real etcd,
// and etcdctl, with which docs/operating.md says the same can be done by hand.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach } from "node:test";
import type { EtcdServer } from "../../lab/etcd.ts";
import type { Output } from "../../lab/run.ts";
import { startTestEtcd } from "../etcd/etcd-fixture.ts";
import { type Installation, openInstallation } from "./installation.ts";

/** This file runs from dist/test/support. */
export const DOCS = join(import.meta.dirname, "../../..");
export const CONFIG = '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}';
export const SUBNETS = "/coreos.com/network/subnets";

interface Stored {
  readonly value: string;
  readonly lease: string;
  /** What its etcd lease was granted for; null without one. */
  readonly granted: number | null;
}

/** Registers the hooks that open an etcd and an installation before the first test, and begin each one afresh. */
export function openCommands(signal: AbortSignal) {
  let server: EtcdServer;
  let place: Installation;
  const commands = commandsOn(
    () => server,
    () => place,
  );
  before(async () => {
    server = await startTestEtcd();
    place = openInstallation(signal);
  });
  after(async () => {
    place?.[Symbol.dispose]();
    await server?.[Symbol.asyncDispose]();
  });
  beforeEach(commands.startAfresh);
  return { ...commands, server: () => server, place: () => place };
}

function commandsOn(server: () => EtcdServer, place: () => Installation) {
  const environment = () => ({
    FLANNELD_ETCD_ENDPOINTS: server().endpoint,
    ETCDCTL_API: "3",
    ETCDCTL_ENDPOINTS: server().endpoint,
    P: "/coreos.com/network",
  });
  const flanneld = (...words: readonly string[]) => place().run(words, { env: environment() });
  const shell = (line: string) => place().shell(line, { env: environment() });
  const etcdctl = (line: string) => succeed(shell(`etcdctl ${line}`));
  /** As a daemon writes it, under an etcd lease. */
  const putLease = async (subnet: string, publicIp: string, seconds = 86_400): Promise<string> => {
    const mac = `02:00:00:00:00:${publicIp.split(".").at(-1)?.padStart(2, "0")}`;
    const value = `{"PublicIP":"${publicIp}","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"${mac}"}}`;
    const [, id = ""] = (await etcdctl(`lease grant ${seconds}`)).split(" ");
    await etcdctl(`put --lease=${id} ${SUBNETS}/${subnet.replace("/", "-")} '${value}'`);
    return value;
  };
  /** A record as etcdctl shows it; null when there is none. */
  const stored = async (subnet: string): Promise<Stored | null> => {
    const key = `${SUBNETS}/${subnet.replace("/", "-")}`;
    const fields = await etcdctl(`get -w fields ${key}`);
    const [, lease] = /^"Lease" : (\d+)$/m.exec(fields) ?? [];
    if (lease === undefined) return null;
    const value = (await etcdctl(`get --print-value-only ${key}`)).trimEnd();
    if (lease === "0") return { value, lease, granted: null };
    const [, granted] = /granted with TTL\((\d+)s\)/.exec(
      await etcdctl(`lease timetolive ${BigInt(lease).toString(16)}`),
    ) ?? [""];
    return { value, lease, granted: Number(granted) };
  };
  const revision = async () => String(JSON.parse(await etcdctl("get -w json nothing")).header.revision);
  /** An etcd with the network config and nothing else. */
  const startAfresh = async () => {
    await etcdctl("del --prefix /coreos.com");
    await etcdctl(`put $P/config '${CONFIG}'`);
  };
  return { environment, flanneld, shell, etcdctl, putLease, stored, revision, startAfresh };
}

export async function succeed(output: Promise<Output>): Promise<string> {
  const { status, stdout, stderr } = await output;
  assert.deepEqual([status, stderr], [0, ""], stdout);
  return stdout;
}

/** The commands that docs/operating.md gives for a command's work by hand. */
export function byHand(command: string): readonly string[] {
  const text = readFileSync(join(DOCS, "docs/operating.md"), "utf8");
  const [, block] = new RegExp(`\`\`\`sh etcdctl ${command}\n([\\s\\S]*?)\`\`\``).exec(text) ?? [];
  assert.ok(block !== undefined, command);
  return block.trimEnd().split("\n");
}
