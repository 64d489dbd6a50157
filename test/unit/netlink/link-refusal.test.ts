import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { explainRefusal } from "../../../src/netlink/link-refusal.ts";
import { inodesOf } from "../../../src/netlink/udp-port-holder.ts";
import { tunDevice } from "../../support/udp-host.ts";
import { planFor } from "../../support/vxlan-host.ts";

const VXLAN = planFor([]).want.find((object) => object.kind === "link") ?? assert.fail();

function explain(errno: string, holder: string | null = null, link = VXLAN) {
  return explainRefusal(link, { errno, message: "as it is" }, { holderOf: () => holder }).message ?? "";
}

describe("a vxlan device that the kernel refuses", () => {
  it("because it has none says what to load", () => {
    assert.match(explain("EOPNOTSUPP"), /load the module vxlan \(modprobe vxlan\).*linux-modules-extra/);
  });

  it("because the port is taken says by whom, if that is known, and what to do", () => {
    assert.match(
      explain("EADDRINUSE", "process 7 (nc)"),
      /^process 7 \(nc\) has UDP port 8472: stop it, or set another Port/,
    );
    assert.match(explain("EADDRINUSE"), /^another program has UDP port 8472/);
  });

  it("for another reason keeps the kernel's words, and so does another device", () => {
    assert.equal(explain("EPERM"), "as it is");
    assert.equal(explain("EOPNOTSUPP", null, tunDevice()), "as it is");
  });
});

describe("the kernel's table of UDP sockets", () => {
  it("gives the sockets of a port, whatever their address", () => {
    const table = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  471: 0B4DA8C0:2118 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4242 2 0000000000000000 0
  472: 00000000:2119 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4243 2 0000000000000000 0
`;
    assert.deepEqual(inodesOf(table, 8472), ["4242"]);
    assert.deepEqual(inodesOf(table, 1), []);
  });
});
