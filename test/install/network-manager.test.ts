// NetworkManager itself on a host of the overlay, with a profile for the interface towards the other hosts, as Red Hat's
// systems have it. What it does by itself takes nothing from the overlay; what somebody has it do takes nothing of what the
// package's file and the guide's keep it off, and flanneld puts back the rest.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { addPod, type Pod } from "../../lab/cni.ts";
import type { Json } from "../../src/base/json.ts";
import { commandsOf } from "../support/guide.ts";
import { type NeighbourHost, type NeighbourHosts, openNeighbourHosts } from "../support/neighbours.ts";
import { type OverlayDevice, overlayDevice } from "../support/overlay-device.ts";
import { ROOT } from "../support/packages.ts";
import { pingDuring } from "../support/ping-during.ts";

const { signal } = new AbortController();
const NETWORK = "10.5.0.0/16";
const ENVIRONMENT = "FLANNELD_IFACE=eth0\nFLANNELD_IP_BLACKHOLE_ROUTE=true\n";
const SETTINGS = "/etc/NetworkManager/conf.d";
const PACKAGED = "/usr/lib/NetworkManager/conf.d/50-flannel.conf";
const PROFILE = "/etc/NetworkManager/system-connections/eth0.nmconnection";
/** Taken by NetworkManager as it is: somebody else has made it. */
const TAKEN = "connected (externally)";

let open: NeighbourHosts;
let host: NeighbourHost;
let pods: readonly [Pod, Pod];
let overlay: OverlayDevice;

const nmcli = (...words: readonly string[]) => host.on("nmcli", ...words);
/** "unmanaged", "connected": what NetworkManager makes of it. */
const stateOf = async (name: string) =>
  (await nmcli("-t", "-f", "DEVICE,STATE", "device"))
    .split("\n")
    .find((line) => line.startsWith(`${name}:`))
    ?.slice(name.length + 1);
const becomes = (name: string, state: string) =>
  overlay.waitUntil(`${name} to be ${state}`, async () => (await stateOf(name)) === state);

/** All that it manages is as at a boot. */
async function switchOffAndOn(): Promise<void> {
  await nmcli("networking", "off");
  await becomes("eth0", "unmanaged");
  await nmcli("networking", "on");
  await becomes("eth0", "connected");
}

async function losesNothing(t: TestContext, ...command: readonly string[]): Promise<void> {
  const { sent, lost, milliseconds } = await pingDuring(...pods, async () => {
    await host.on(...command);
    await becomes("eth0", "connected");
  });
  t.diagnostic(`${command.join(" ")}: ${milliseconds} ms, ${sent} pings`);
  assert.equal(lost, 0);
}

/** Two hosts of the overlay; on one NetworkManager runs, with the package's file and the guide's. */
async function start(backend: Json): Promise<void> {
  open = await openNeighbourHosts(2, { Network: NETWORK, Backend: backend }, ENVIRONMENT, signal);
  const [near, far] = open.hosts as [NeighbourHost, NeighbourHost];
  host = near;
  const add = ({ debian, subnetFile }: NeighbourHost) => addPod(debian.machine, "pod", subnetFile(), signal);
  pods = [await add(near), await add(far)];
  overlay = overlayDevice(near, pods, signal);
  const { address } = near.debian.machine;
  const profile = "[connection]\nid=eth0\ntype=ethernet\ninterface-name=eth0\n";
  near.put(
    PROFILE,
    `${profile}[ipv4]\nmethod=manual\naddress1=${address}/24,192.168.77.1\n[ipv6]\nmethod=link-local\n`,
  );
  await host.on("chmod", "600", PROFILE);
  const guide = readFileSync(join(ROOT, "docs/install.md"), "utf8");
  near.put(`${SETTINGS}/50-pods.conf`, commandsOf(guide, "pods-unmanaged.conf"));
  // It waits for what udev says of a device, and udev starts only where /sys can be written.
  for (const directory of ["/sys", "/sys/devices"]) await host.on("mount", "-o", "remount,rw", directory);
  await host.on("systemctl", "start", "systemd-udevd.service");
  await host.on("udevadm", "trigger", "--action=add", "--subsystem-match=net");
  await host.on("udevadm", "settle");
  await host.on("systemctl", "start", "NetworkManager.service");
  await becomes("eth0", "connected");
  await overlay.waitUntil("the other pod to answer", overlay.answers);
}

describe("NetworkManager on a host of vxlan", () => {
  let mac = "";

  before(async () => {
    await start({ Type: "vxlan" });
    mac = (await overlay.link("flannel.1")).address;
  });
  after(async () => open?.[Symbol.asyncDispose]());

  const isWhole = () => overlay.isWhole(mac);

  it("leaves flanneld's device alone by the package's file, and pods by the guide's", async () => {
    await becomes("flannel.1", "unmanaged");
    await becomes("cni0", "unmanaged");
    // Another device of the kind is not left alone.
    await host.on("ip", "link", "add", "other", "type", "vxlan", "id", "99", "dstport", "9999", "dev", "eth0");
    await host.on("ip", "addr", "add", "198.51.100.1/32", "dev", "other");
    await host.on("ip", "link", "set", "other", "up");
    await becomes("other", TAKEN);
    await host.on("ip", "link", "del", "other");
    await overlay.waitUntil("all to be there", isWhole);
  });

  it("loses no packet when it starts again, or reads its files again", async (t) => {
    await losesNothing(t, "systemctl", "restart", "NetworkManager.service");
    await losesNothing(t, "nmcli", "general", "reload", "conf");
    assert.equal(await overlay.repairs(), 0);
  });

  it("takes nothing of the overlay or of pods with it when it is switched off, and disconnects no such device", async () => {
    const before = await overlay.link("flannel.1");
    await switchOffAndOn();
    assert.notEqual((await host.attempt("nmcli", "device", "disconnect", "flannel.1")).status, 0);
    await overlay.waitUntil("all to be there", isWhole);
    assert.deepEqual([await overlay.link("flannel.1"), await overlay.repairs()], [before, 0]);
  });

  it("leaves the device alone also where an administrator's list takes the place of the package's", async (t) => {
    const list = `${SETTINGS}/60-list.conf`;
    host.put(list, "[keyfile]\nunmanaged-devices=interface-name:cni*\n");
    t.after(async () => {
      await host.on("rm", list);
      await nmcli("general", "reload", "conf");
    });
    await nmcli("general", "reload", "conf");
    await overlay.remake();
    await becomes("flannel.1", "unmanaged");
    await switchOffAndOn();
    await overlay.waitUntil("all to be there", isWhole);
    assert.equal(await overlay.repairs(), 0);
  });

  it("is made good by flanneld where the package's file is missing", async () => {
    await host.on("mv", PACKAGED, "/root");
    await nmcli("general", "reload", "conf");
    await overlay.remake();
    await becomes("flannel.1", TAKEN);
    assert.equal(await overlay.repairs(), 0);
    await switchOffAndOn();
    await overlay.waitUntil("flanneld to have repaired something", async () => (await overlay.repairs()) > 0);
    await overlay.waitUntil("all to be there", isWhole);
    await becomes("flannel.1", TAKEN);
    const repairs = await overlay.repairs();
    await nmcli("device", "disconnect", "flannel.1");
    await overlay.waitUntil("flanneld to have repaired more", async () => (await overlay.repairs()) > repairs);
    await overlay.waitUntil("all to be there again", isWhole);
    const { ifindex } = await overlay.link("flannel.1");
    await nmcli("device", "delete", "flannel.1");
    await overlay.waitUntil("all to be there at last", isWhole);
    assert.notEqual((await overlay.link("flannel.1")).ifindex, ifindex);
  });

  it("knows of the package's file once that is installed", async () => {
    await host.on("mv", "/root/50-flannel.conf", PACKAGED);
    await host.on("dpkg", "--force-unsafe-io", "--install", "/root/flanneld.deb");
    await becomes("flannel.1", "unmanaged");
    await overlay.waitUntil("all to be there", isWhole);
  });

  it("takes pods off their bridge where the guide's file is missing", async () => {
    await host.on("rm", `${SETTINGS}/50-pods.conf`);
    await host.on("systemctl", "restart", "NetworkManager.service");
    await becomes("cni0", TAKEN);
    await switchOffAndOn();
    await overlay.waitUntil("the bridge to have nobody", async () => {
      const { stdout } = await host.attempt("ip", "-o", "link", "show", "master", "cni0");
      return stdout === "";
    });
  });
});

describe("NetworkManager on a host of host-gw", () => {
  before(() => start({ Type: "host-gw" }));
  after(async () => open?.[Symbol.asyncDispose]());

  const routes = async () => await host.on("ip", "route", "show", "dev", "eth0", "proto", "70");

  it("loses no packet when it starts again, or applies its profile to the interface again", async (t) => {
    await losesNothing(t, "systemctl", "restart", "NetworkManager.service");
    await losesNothing(t, "nmcli", "device", "reapply", "eth0");
    assert.equal(await overlay.repairs(), 0);
  });

  it("takes routes from the interface with its address, and flanneld puts them back", async (t) => {
    const before = await routes();
    assert.match(before, /^10\.5\.\d+\.0\/24 via 192\.168\.77\.12 /);
    const { sent, lost } = await pingDuring(...pods, async () => {
      await nmcli("connection", "up", "eth0");
    });
    t.diagnostic(`nmcli connection up: lost ${lost} of ${sent}`);
    // Nothing is planned while the address is away, so that what is put back need not be a repair.
    assert.ok(lost > 0, "nothing was taken");
    await overlay.waitUntil("the routes to be there", async () => (await routes()) === before);
    await switchOffAndOn();
    await overlay.waitUntil("the routes to be there", async () => (await routes()) === before);
  });
});
