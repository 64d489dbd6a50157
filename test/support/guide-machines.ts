// What is done and seen on the machines of the guide, and the traffic between their pods.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Pod } from "../../lab/cni.ts";
import type { Debian } from "../../lab/debian.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { readKernelState, SSL, sysconfig } from "./guide.ts";
import { startTraffic } from "./traffic.ts";

export const LONG = seconds(300);
export const ENV = "/run/flannel/subnet.env";

/** On machines that are made before the first test; the pods come later. */
export function handsOn(machines: () => readonly Debian[], pods: readonly Pod[], signal: AbortSignal) {
  const machine = (index: number) => {
    const found = machines()[index];
    if (!found) throw new Error(`there is no machine ${index}`);
    return found;
  };
  const on = (index: number, ...command: string[]) => machine(index).run(command, signal, LONG);
  const endpoints = () =>
    machines()
      .map(({ machine: { address } }) => `https://${address}:2379`)
      .join(",");
  const settings = (more?: string) => sysconfig(endpoints(), more);
  const property = async (index: number, name: string) =>
    (await on(index, "systemctl", "show", "--value", "-p", name, "flanneld.service")).trim();
  const becomes = (index: number, name: string, pattern: RegExp) =>
    waitFor(
      `${name} of flanneld on ${machine(index).machine.name} like ${pattern}`,
      async () => (pattern.test(await property(index, name)) ? true : null),
      seconds(60),
      signal,
    );
  const subnetFile = (index: number) => readFileSync(machine(index).path(ENV), "utf8");
  /** Pings from the first machine's pod to that of another, while something is done; nothing is lost. */
  const underTraffic = async (action: () => Promise<unknown>, index = 1) => {
    const [from, to] = [pods[0], pods[index]] as [Pod, Pod];
    using traffic = await startTraffic(from.namespace, to.address);
    await action();
    const { sent, lost } = await traffic.stop();
    assert.deepEqual(lost, [], `of ${sent}`);
  };

  const leftOn = (index: number) => readKernelState((...command) => on(index, ...command));
  const putConfig = (type: string) => {
    const config = `{"Network":"172.30.0.0/16","SubnetLen":24,"Backend":{"Type":"${type}"}}`;
    const flags = [`--cacert=${SSL}/ca.pem`, `--cert=${SSL}/flanneld.pem`, `--key=${SSL}/flanneld-key.pem`];
    const put = ["etcdctl", `--endpoints=${endpoints()}`, ...flags, "put", "/kube-centos/network/config", config];
    return machine(0).attempt(["env", "ETCDCTL_API=3", ...put], signal);
  };
  const changeTo = async (type: string) => {
    assert.equal((await putConfig(type)).status, 0);
    for (const index of machines().keys()) await on(index, "systemctl", "restart", "flanneld.service");
    for (const index of machines().keys()) await becomes(index, "StatusText", new RegExp(`by ${type}, 2 peers$`));
  };
  return { machine, on, endpoints, settings, property, becomes, subnetFile, underTraffic, leftOn, putConfig, changeTo };
}
