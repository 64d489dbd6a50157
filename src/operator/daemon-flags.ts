// The flags that a running daemon was started with, in place of those that `check` was not given: it is this host as that
// daemon sees it that is looked at. Pure.

import type { DaemonProcess, Known } from "../check/facts.ts";
import { readEtcdOptions, readUnderlayOptions } from "../cli/options.ts";
import { resolveSettings, type Setting } from "../cli/program.ts";
import type { VerbCall } from "../cli/verbs.ts";

export interface Adoption {
  readonly call: VerbCall;
  /** As they are written there: "--iface". */
  readonly adopted: readonly string[];
  /** Below which its files are; empty for those of this process. */
  readonly root: string;
}

/** Who names an interface in one way has not forgotten the others. */
const WAYS_TO_AN_INTERFACE: readonly string[] = ["iface", "iface-regex", "iface-can-reach"];

/** Of the only daemon of the call's network; what the call says itself is never replaced. */
export function adoptFlags(call: VerbCall, daemons: Known<readonly DaemonProcess[]>): Adoption {
  const none = { call, adopted: [], root: "" };
  const ours = daemons.known ? daemons.value.filter(({ prefix }) => prefix === call.etcd.prefix) : [];
  const [daemon, second] = ours;
  if (!daemon || second) return none;
  const isGiven = (name: string) => call.settings[name]?.given === true;
  const isLeft = (name: string) => {
    if (WAYS_TO_AN_INTERFACE.includes(name)) return !WAYS_TO_AN_INTERFACE.some(isGiven);
    return name in call.settings && !isGiven(name);
  };
  const taken = Object.entries(daemon.settings).filter(([name]) => isLeft(name));
  const settings = {
    ...call.settings,
    ...Object.fromEntries(taken.map(([name, from]) => [name, settingOf(name, from)])),
  };
  // A Go daemon may go by what this one would refuse.
  if (readUnderlayOptions(settings).problems.length > 0) return none;
  const etcd = adoptEtcd(call, daemon);
  const adopted = [...taken.map(([, { written }]) => written), ...(etcd?.adopted ?? [])];
  return { call: { ...call, ...etcd?.way, settings }, adopted, root: daemon.root };
}

interface EtcdAdoption {
  readonly way: Pick<VerbCall, "etcd" | "namedBy" | "asking">;
  readonly adopted: readonly string[];
}

/** For a call that nothing else tells where etcd is. Its user and password go to no etcd that a process names. */
function adoptEtcd(call: VerbCall, { pid, root, settings }: DaemonProcess): EtcdAdoption | null {
  const { prefix, tls, auth } = call.etcd;
  const isTold = [call.namedBy, call.unreadable, auth, ...Object.values(tls)].some((said) => said !== null);
  const taken = Object.entries(settings).filter(([name]) => name === ENDPOINTS || TLS_FILES.includes(name));
  if (isTold || taken.length === 0) return null;
  const given = taken.map(([name, { values }]) => {
    const value = values.at(-1) ?? "";
    return { name, value: name === ENDPOINTS ? value : `${root}${value}` };
  });
  const { options, problems } = readEtcdOptions(resolveSettings(given, {}));
  if (problems.length > 0) return null;
  const endpoints = settings[ENDPOINTS];
  const namedBy = endpoints ? `${endpoints.written} of process ${pid}` : null;
  // Other commands do not look at that process.
  const asking = [...call.asking, ...given.map(({ name, value }) => `--${name}=${value}`)];
  return { way: { etcd: { ...options, prefix }, namedBy, asking }, adopted: taken.map(([, { written }]) => written) };
}

const ENDPOINTS = "etcd-endpoints";
const TLS_FILES: readonly string[] = ["etcd-cafile", "etcd-certfile", "etcd-keyfile"];

/** Of one that is no list the last counts. */
function settingOf(name: string, { values, written }: DaemonProcess["settings"][string]): Setting {
  return { values: LISTS.includes(name) ? values : values.slice(-1), given: true, written };
}

const LISTS: readonly string[] = ["iface", "iface-regex"];
