import { describe, it } from "node:test";
import { createBackend } from "../../../src/backends/registry.ts";
import type { Ipv4 } from "../../../src/base/ip.ts";
import { type Facts, known, unknown } from "../../../src/check/facts.ts";
import type { Link, LinkName, VxlanLink } from "../../../src/net/objects.ts";
import { expectAll } from "../../support/findings.ts";
import { interfaceOf, NEVER_RUN, wellFacts } from "../../support/well-facts.ts";

const KERNEL = "the kernel itself, for a device such as one of vxlan";

/** Beside the underlay's device, on a host where no flanneld has run. */
function beside(name: string, change: Partial<VxlanLink>): Partial<Facts> {
  const { links } = wellFacts();
  const flannel = links.known ? links.value.find((link): link is VxlanLink => link.type === "vxlan") : undefined;
  const others = NEVER_RUN.links.known ? NEVER_RUN.links.value : [];
  const found: readonly Link[] = flannel ? [...others, { ...flannel, name: name as LinkName, ...change }] : [];
  return { ...NEVER_RUN, links: known(found), ports: [{ port: 8472, holder: KERNEL }] };
}

describe("a check of the backend", () => {
  it("shares the port with vxlan devices of others, as the kernel does", () => {
    expectAll([
      ["port", "ok", /nobody else has UDP port 8472/, beside("vxlan.calico", { vni: 4096 })],
      ["backend", "ok", /^the backend vxlan can run here$/, beside("vxlan.calico", { vni: 4096 })],
      ["backend", "ok", /can run here/, beside("vxlan.calico", { port: 4789 })],
      ["backend", "ok", /can run here/, {}],
    ]);
  });

  it("names the device that a daemon would not start beside", () => {
    const cilium = beside("cilium_vxlan", { vni: 0, external: true, lower: null, local: null });
    expectAll([
      [
        "backend",
        "fail",
        /^the backend vxlan cannot run here: .* the vxlan device cilium_vxlan, .*\(external\)$/,
        cilium,
      ],
      ["backend", "fail", /: the vxlan device vx1 already has VNI 1 on UDP port 8472$/, beside("vx1", {})],
    ]);
  });

  it("tells a device that the flanneld of another network has", () => {
    const others = known([{ pid: 9, prefix: "/other", settings: {}, root: "" }]);
    const { subnetFile } = NEVER_RUN;
    const theirs = { daemons: others, carried: ["flannel.1"], subnetFile };
    expectAll([
      ["backend", "fail", /^the flanneld of another network has the device flannel\.1 on this host$/, theirs],
      ["daemon", "ok", /^no flanneld runs here for .*; others do: process 9 \(for \/other\)$/, theirs],
      ["daemon", "warn", /flannel\.1 is still there/, { ...theirs, carried: ["flannel.7"] }],
      ["backend", "ok", /can run here/, { carried: ["flannel.1"] }],
    ]);
  });

  it("tells a device that the Go daemon of another network seems to have, by its address", () => {
    const others = known([{ pid: 9, prefix: "/other", settings: {}, root: "" }]);
    const at = (address: string) => ({
      daemons: others,
      subnetFile: NEVER_RUN.subnetFile,
      interfaces: known([interfaceOf("eth0", "192.168.77.11/24"), interfaceOf("flannel.1", address)]),
    });
    expectAll([
      ["backend", "warn", /^flannel\.1 has no address of this network: the flanneld of another/, at("10.77.3.0/32")],
      ["daemon", "ok", /^no flanneld runs here for .*; others do: process 9/, at("10.77.3.0/32")],
      ["backend", "ok", /can run here/, at("10.5.1.0/32")],
      ["daemon", "warn", /flannel\.1 is still there/, at("10.5.1.0/32")],
      ["backend", "ok", /can run here/, { ...at("10.77.3.0/32"), daemons: known([]) }],
    ]);
  });

  it("tells host-gw behind NAT, which no daemon starts", () => {
    const hostGw = { backends: [{ backend: createBackend({ type: "host-gw", options: {} }), port: null }] };
    const { underlay } = wellFacts();
    const behind = underlay.known ? known({ ...underlay.value, publicIp: "203.0.113.7" as Ipv4 }) : underlay;
    expectAll([
      [
        "backend",
        "fail",
        /^the backend host-gw cannot run here: .* has 192\.168\.77\.11, .*/,
        { ...hostGw, underlay: behind },
      ],
      ["backend", "ok", /host-gw can run here/, hostGw],
    ]);
  });

  it("says what it cannot know", () => {
    expectAll([
      ["backend", "skip", /without the network config$/, { isBackendKnown: false }],
      ["backend", "skip", /without an interface/, { underlay: unknown("there is none") }],
      ["backend", "skip", /was not looked at: EPERM/, { links: unknown("EPERM") }],
    ]);
  });
});
