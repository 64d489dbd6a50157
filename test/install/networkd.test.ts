// systemd-networkd and udev themselves on a host of the overlay, with an administrator's files for all interfaces, which
// want of each of them what flanneld's device must not have: another MTU, DHCP, none of the addresses and routes it has.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { addPod } from "../../lab/cni.ts";
import { commandsOf } from "../support/guide.ts";
import { type NeighbourHost, type NeighbourHosts, openNeighbourHosts } from "../support/neighbours.ts";
import { type OverlayDevice, overlayDevice } from "../support/overlay-device.ts";
import { ROOT } from "../support/packages.ts";

const { signal } = new AbortController();
const CONFIG = { Network: "10.5.0.0/16", Backend: { Type: "vxlan" } };
const ENVIRONMENT = "FLANNELD_IFACE=eth0\nFLANNELD_IP_BLACKHOLE_ROUTE=true\n";
const NETWORK = "/etc/systemd/network";
const PACKAGED = ["/usr/lib/systemd/network/00-flannel.link", "/usr/lib/systemd/network/00-flannel.network"];
const FOREIGN = "/usr/lib/systemd/networkd.conf.d/50-flannel.conf";

let open: NeighbourHosts;
let host: NeighbourHost;
let overlay: OverlayDevice;

const systemctl = (...words: readonly string[]) => host.on("systemctl", ...words);
/** "unmanaged", "configuring": what networkd makes of it. */
const stateOf = async (name: string) =>
  /State: .*\((\w+)\)/.exec(await host.on("networkctl", "status", "--no-pager", name))?.[1];
/** The file that udev goes by. */
async function linkFileOf(name: string): Promise<string | undefined> {
  const info = await host.attempt("udevadm", "info", "--query=property", `/sys/class/net/${name}`);
  return /^ID_NET_LINK_FILE=(.*)$/m.exec(info.stdout)?.[1];
}

/** flanneld makes its device and all that goes by it; then both programs have seen it. */
async function makeDevice(state: string): Promise<void> {
  await overlay.remake();
  await host.on("udevadm", "settle");
  await overlay.waitUntil("udev to have seen the device", async () => (await linkFileOf("flannel.1")) !== undefined);
  await overlay.waitUntil(`networkd to find it ${state}`, async () => (await stateOf("flannel.1")) === state);
}

/** networkd is told to configure the interface towards the other hosts anew; which of our routes it says it removes. */
async function reconfigure(): Promise<readonly string[]> {
  await systemctl("restart", "systemd-networkd.service");
  const configured = () =>
    overlay.waitUntil("eth0 to be configured", async () => (await stateOf("eth0")) === "configured");
  await configured();
  await host.on("networkctl", "reconfigure", "eth0");
  const again = /eth0: State changed: configuring -> configured[\s\S]*eth0: State changed: configuring -> configured/;
  await overlay.waitUntil("eth0 to be configured again", async () =>
    again.test(await overlay.logOf("systemd-networkd.service")),
  );
  const log = await overlay.logOf("systemd-networkd.service");
  return log.match(/^.*Removing foreign route .*proto: 70.*$/gm) ?? [];
}

describe("systemd-networkd and udev, with files for all interfaces", () => {
  let mac = "";

  before(async () => {
    open = await openNeighbourHosts(2, CONFIG, ENVIRONMENT, signal);
    const [near, far] = open.hosts as [NeighbourHost, NeighbourHost];
    host = near;
    const add = ({ debian, subnetFile }: NeighbourHost) => addPod(debian.machine, "pod", subnetFile(), signal);
    overlay = overlayDevice(near, [await add(near), await add(far)], signal);
    mac = (await overlay.link("flannel.1")).address;
    const { address } = near.debian.machine;
    // What is there already, so that the host keeps it; the rest is the administrator's.
    const eth0 = `[Match]\nName=eth0\n[Network]\nLinkLocalAddressing=no\n[Address]\nAddress=${address}/24\nBroadcast=no\n`;
    near.put(`${NETWORK}/05-eth0.network`, eth0);
    near.put(`${NETWORK}/05-eth0.link`, "[Match]\nOriginalName=eth0\n[Link]\nMACAddressPolicy=none\n");
    near.put(`${NETWORK}/10-all.network`, "[Match]\nName=*\n[Network]\nDHCP=yes\n");
    near.put(`${NETWORK}/10-all.link`, "[Match]\nOriginalName=*\n[Link]\nMACAddressPolicy=random\nMTUBytes=1300\n");
    const guide = readFileSync(join(ROOT, "docs/install.md"), "utf8");
    near.put(`${NETWORK}/00-pods.network`, commandsOf(guide, "pods.network"));
    const debug = "[Service]\nEnvironment=SYSTEMD_LOG_LEVEL=debug\n";
    near.put("/etc/systemd/system/systemd-networkd.service.d/debug.conf", debug);
    await systemctl("daemon-reload");
    // udev starts only where /sys can be written, and networkd waits for what udev says of an interface.
    for (const directory of ["/sys", "/sys/devices"]) await near.on("mount", "-o", "remount,rw", directory);
    await systemctl("start", "systemd-udevd.service");
    await near.on("udevadm", "trigger", "--action=add", "/sys/class/net/eth0");
    await systemctl("start", "systemd-networkd.service");
    await overlay.waitUntil("eth0 to be configured", async () => (await stateOf("eth0")) === "configured");
  });
  after(async () => open?.[Symbol.asyncDispose]());

  it("leave flanneld's device alone by the package's files, and pods by the guide's", async () => {
    await makeDevice("unmanaged");
    assert.equal(await linkFileOf("flannel.1"), PACKAGED[0]);
    await overlay.waitUntil("all to be there", () => overlay.isWhole(mac));
    assert.equal(await overlay.repairs(), 0);
    // Another device of the kind is not left alone.
    await host.on("ip", "link", "add", "other", "type", "vxlan", "id", "99", "dstport", "9999", "dev", "eth0");
    await overlay.waitUntil("another device to be changed", async () => (await overlay.link("other")).mtu === 1300);
    await overlay.waitUntil("another device to be taken", async () => (await stateOf("other")) === "configuring");
    await host.on("ip", "link", "del", "other");
  });

  it("remove no route of flanneld's by the package's setting", async () => {
    assert.deepEqual(await reconfigure(), []);
    await overlay.waitUntil("all to be there", () => overlay.isWhole(mac));
  });

  it("are made good by flanneld where the package's files are missing", async () => {
    await host.on("mv", ...PACKAGED, FOREIGN, "/root");
    await host.on("networkctl", "reload");
    await host.on("udevadm", "control", "--reload");
    await makeDevice("configuring");
    assert.equal(await linkFileOf("flannel.1"), `${NETWORK}/10-all.link`);
    await overlay.waitUntil("all to be there", () => overlay.isWhole(mac));
    await host.on("networkctl", "reconfigure", "flannel.1");
    await overlay.waitUntil("flanneld to have repaired something", async () => (await overlay.repairs()) > 0);
    await overlay.waitUntil("all to be there again", () => overlay.isWhole(mac));
    const removed = await reconfigure();
    assert.match(removed.join("\n"), /dst: 10\.5\.\d+\.0\/24.* type: blackhole/);
    await overlay.waitUntil("all to be there at last", () => overlay.isWhole(mac));
  });
});
