import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seconds } from "../../../src/base/brand.ts";
import type { OperatorCalls } from "../../../src/operator/session.ts";
import { createLookForPage } from "../../../src/operator/web-look.ts";
import type { Lease } from "../../../src/subnet/lease.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { createFakeLeaseStore } from "../../fakes/fake-lease-store.ts";
import { openDesk } from "../../support/operator.ts";

const { signal } = new AbortController();
const KEY = "/coreos.com/network/config";

function record(publicIp: string): string {
  return JSON.stringify({ PublicIP: publicIp, PublicIPv6: null, BackendType: "vxlan", BackendData: null });
}

function openLook() {
  const clock = createFakeClock();
  const store = createFakeLeaseStore({ clock });
  const asked: string[] = [];
  const counting: OperatorCalls = {
    ...store,
    timeLeft: (lease, scope) => {
      asked.push(lease.subnet.v4);
      return store.timeLeft(lease, scope);
    },
  };
  return { clock, store, asked, look: createLookForPage(counting, KEY, clock) };
}

describe("flanneld web", () => {
  it("refuses an address and a port that are none, and names both", async () => {
    const { status, err } = await openDesk().run("web", "--listen=somewhere", "--health-port=0");
    assert.equal(status, 64);
    assert.match(err, /-listen=somewhere: must be an address and a port, such as 127\.0\.0\.1:8470/);
    assert.match(err, /-health-port=0: must be between 1 and 65535/);
  });
});

describe("the look for the page", () => {
  it("has the network, the leases by address, and what is free", async () => {
    const { store, look } = openLook();
    store.writeConfig('{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}');
    store.write({ "10.5.9.0-24": record("10.0.0.2"), "10.5.10.0-24": "garbage" });
    store.write({ "10.5.7.0-24": record("10.0.0.1") }, seconds(600));
    const { network, leases, spoilt, free, total, configProblem } = await look(() => false, signal);
    assert.deepEqual([network?.backend, configProblem, spoilt], ["vxlan", null, [{ v4: "10.5.10.0/24", v6: null }]]);
    assert.deepEqual([free, total], [252, 255]);
    assert.deepEqual(
      leases.map(({ lease, term }) => [lease.subnet.v4, term.kind]),
      [
        ["10.5.7.0/24", "leased"],
        ["10.5.9.0/24", "reserved"],
      ],
    );
  });

  it("asks how long leases last of hosts that do not say, some at a time, and in the end of all", async () => {
    const { clock, store, asked, look } = openLook();
    const subnets = Array.from({ length: 40 }, (_, n) => `10.5.${n + 1}.0`);
    for (const [n, subnet] of subnets.entries())
      store.write({ [`${subnet}-24`]: record(`10.0.0.${n + 1}`) }, seconds(600));
    const isSilent = ({ attrs }: Lease) => attrs.publicIp !== "10.0.0.1";
    const untils = async () => (await look(isSilent, signal)).leases.filter(({ term }) => term.kind === "until").length;
    assert.deepEqual([await untils(), await untils(), await untils()], [16, 32, 39]);
    assert.ok(!asked.includes("10.5.1.0/24"));
    assert.equal(new Set(asked).size, 39);
    const [, second] = (await look(isSilent, signal)).leases;
    assert.deepEqual(second?.term, { kind: "until", at: clock.now() + 600_000 });
  });

  it("says why there is no network", async () => {
    const { store, look } = openLook();
    assert.match((await look(() => false, signal)).configProblem ?? "", /there is no network config at \/coreos/);
    store.writeConfig('{"Network": "10.5.0.0/33"}');
    const { network, configProblem, free } = await look(() => false, signal);
    assert.deepEqual([network, free], [null, null]);
    assert.match(configProblem ?? "", /is not valid: \$\.Network/);
  });
});
