import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import type { Family } from "../../src/base/ip.ts";
import { readSysctls } from "../../src/facts/sysctls.ts";
import { forwardingHintsOf, watchForwarding } from "../../src/netlink/forwarding-hints.ts";
import { hearHints } from "../support/heard-hints.ts";
import { ip, whyNotHere } from "../support/namespace.ts";
import { openNative } from "../support/native.ts";

const { signal } = new AbortController();
const DEVICE = "flannel.1";

const write = (path: string, value: string) => writeFileSync(`/proc/sys/net/${path}`, value);

describe("forwarding", { skip: whyNotHere() }, () => {
  before(() => {
    ip(`link add ${DEVICE} type vxlan id 1 dstport 8472`);
    for (const path of ["ipv4/ip_forward", "ipv6/conf/all/forwarding"]) write(path, "1");
  });
  const heard = hearHints((until) => watchForwarding(openNative(), until));

  const says = (mayBeOff: boolean, family: Family) =>
    waitFor(
      `a hint that it ${mayBeOff ? "may be off" : "was changed"}`,
      () => (heard.some((hint) => hint.mayBeOff === mayBeOff && hint.family === family) ? true : null),
      seconds(10),
      signal,
    );

  it("is what the settings of this network namespace say, by the names that sysctl(8) has for them", async () => {
    const names = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv4.conf.flannel/1.forwarding"];
    for (const values of ["101", "010", "111"]) {
      const paths = ["ipv4/ip_forward", "ipv6/conf/all/forwarding", `ipv4/conf/${DEVICE}/forwarding`];
      for (const [index, path] of paths.entries()) write(path, values[index] ?? "");
      const read = await readSysctls([...names, "net.ipv4.conf.nothing.forwarding"]);
      assert.deepEqual(read, Object.fromEntries(names.map((name, index) => [name, values[index]])));
    }
  });

  for (const path of [
    ...["ipv4/ip_forward", "ipv4/conf/all/forwarding", `ipv4/conf/${DEVICE}/forwarding`],
    ...["ipv6/conf/all/forwarding", `ipv6/conf/${DEVICE}/forwarding`],
  ]) {
    it(`is told by the kernel when somebody changes ${path}`, async () => {
      heard.forget();
      write(path, "0");
      const family = path.startsWith("ipv4") ? "ipv4" : "ipv6";
      await says(true, family);
      heard.forget();
      write(path, "1");
      await says(false, family);
    });
  }

  it("is told of an interface that is made where it is off for later ones, and of one that goes", async () => {
    write("ipv4/conf/default/forwarding", "0");
    // One that is made with it on says so, and no more.
    ip("link add made type bridge");
    await says(true, "ipv4");
    heard.forget();
    ip("link del made");
    await says(false, "ipv4");
    write("ipv4/conf/default/forwarding", "1");
  });

  it("may be off when the kernel cannot be understood", () => {
    assert.deepEqual(forwardingHintsOf(Buffer.from([255, 255, 255, 255])), [{ family: null, mayBeOff: true }]);
  });
});
