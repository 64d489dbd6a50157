// Two hosts' udp data paths in one network namespace, each with a pod in a namespace of its own: what a pod sends goes to
// its host's TUN device, by rules that say so, and what comes out of the other one to the other pod. No daemon takes part.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { openRun, type Run } from "../../lab/cleanup.ts";
import { DATAPATH_FEATURES, type Datapath, type DatapathFeature } from "../../src/base/datapath.ts";
import { type Ip, parseIpv4, parsePrefix4 } from "../../src/base/ip.ts";
import { parseIpv6, parsePrefix6 } from "../../src/base/ipv6.ts";
import { ip } from "./namespace.ts";
import { native, PORT, SILENT } from "./real-datapath.ts";

export type Version = 4 | 6;

/** Without outer IPv6 headers it could be 20 bytes more; every underlay here carries it. */
export const PAIR_MTU = 1452;

export interface PairEnd {
  readonly namespace: string;
  readonly addresses: Readonly<Record<Version, string>>;
  readonly datapath: Datapath;
}

export interface TunnelPair extends Disposable {
  readonly ends: readonly [PairEnd, PairEnd];
}

/** Of host 1 or 2 on the loopback device. */
function underlayOf(version: Version, host: number): Ip {
  return version === 4 ? parseIpv4(`127.0.0.${host}`) : parseIpv6(`fd00:ff::${host}`);
}

const sysctl = (name: string, value: number) => writeFileSync(`/proc/sys/net/${name}`, `${value}`);

/** Datagrams between the hosts are of that version. */
export function openTunnelPair(
  underlay: Version,
  features: readonly DatapathFeature[] = DATAPATH_FEATURES,
): TunnelPair {
  const lab = openRun();
  try {
    prepareHost();
    const ends = [1, 2].map((host) => openEnd(lab, host, underlay, new Set(features)));
    const [first, second] = ends;
    assert.ok(first && second);
    return {
      ends: [first, second],
      [Symbol.dispose]: () => close(lab, ends),
    };
  } catch (error) {
    close(lab, []);
    throw error;
  }
}

/** The hosts' underlay, which is the loopback device, carries no larger packets until the pair is closed. */
export function narrowUnderlay(mtu: number): void {
  ip(`link set lo mtu ${mtu}`);
}

function prepareHost(): void {
  ip("link set lo up");
  sysctl("ipv4/ip_forward", 1);
  sysctl("ipv4/conf/all/rp_filter", 0);
  sysctl("ipv4/conf/default/rp_filter", 0);
  sysctl("ipv6/conf/all/forwarding", 1);
  for (const host of [1, 2]) ip(`addr add ${underlayOf(6, host)}/128 dev lo nodad`);
}

function openEnd(lab: Run, host: number, underlay: Version, features: ReadonlySet<DatapathFeature>): PairEnd {
  const namespace = `${lab.name}-pod${host}`;
  const device = `flannel${host}`;
  const addresses = { 4: `10.5.${host}.2`, 6: `fd00:5:0:${host}::2` };
  native?.createTun(device);
  ip(`link set ${device} mtu ${PAIR_MTU} up`);
  connectPod(namespace, host);
  for (const family of ["-4", "-6"]) {
    ip(`${family} rule add iif pod${host} lookup ${100 + host}`);
    ip(`${family} route add default dev ${device} table ${100 + host}`);
  }
  const options = { address: underlayOf(underlay, host), port: PORT, bufferSize: 0, features };
  const datapath = native?.openDatapath(options, SILENT) ?? assert.fail();
  const other = 3 - host;
  const peer = { address: underlayOf(underlay, other), port: PORT };
  datapath.setRoutes([
    { subnet: parsePrefix4(`10.5.${other}.0/24`), ...peer },
    { subnet: parsePrefix6(`fd00:5:0:${other}::/64`), ...peer },
  ]);
  const tunnel = { ipv4: parseIpv4(`10.5.${host}.0`), ipv6: parseIpv6(`fd00:5:0:${host}::`) };
  datapath.attach({ device, ...tunnel, mtu: PAIR_MTU, checkSource: true });
  return { namespace, addresses, datapath };
}

function connectPod(namespace: string, host: number): void {
  const link = `pod${host}`;
  ip(`netns add ${namespace}`);
  ip(`link add ${link} mtu ${PAIR_MTU} type veth peer name eth0 mtu ${PAIR_MTU} netns ${namespace}`);
  ip(`link set ${link} up`);
  ip(`addr add 10.5.${host}.1/24 dev ${link}`);
  ip(`addr add fd00:5:0:${host}::1/64 dev ${link} nodad`);
  for (const words of [
    "link set lo up",
    "link set eth0 up",
    `addr add 10.5.${host}.2/24 dev eth0`,
    `addr add fd00:5:0:${host}::2/64 dev eth0 nodad`,
    `route add default via 10.5.${host}.1`,
    `-6 route add default via fd00:5:0:${host}::1`,
  ]) {
    ip(`-n ${namespace} ${words}`);
  }
}

/** Also what a failure has left half made. */
function close(lab: Run, ends: readonly PairEnd[]): void {
  for (const { datapath } of ends) datapath[Symbol.dispose]();
  lab[Symbol.dispose]();
  for (const words of [
    ...[1, 2].map((host) => `link del flannel${host}`),
    ...[1, 2].flatMap((host) => ["-4", "-6"].map((family) => `${family} rule del iif pod${host}`)),
    ...[1, 2].map((host) => `addr del ${underlayOf(6, host)}/128 dev lo`),
    "link set lo mtu 65536 down",
  ]) {
    try {
      ip(words);
    } catch {
      // It was not made.
    }
  }
}
