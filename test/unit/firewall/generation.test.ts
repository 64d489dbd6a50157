import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FakePlace } from "../../fakes/fake-place.ts";
import { BOTH, rulesOf } from "../../support/firewall.ts";
import { startFirewall } from "../../support/started-firewall.ts";

describe("the firewall where the kernel numbers its rules", () => {
  it("reads no rules that the kernel says have not changed since they were found as wanted", async () => {
    let writes = 0;
    const prepare = (place: FakePlace) => {
      place.announced = true;
    };
    await using host = startFirewall({ prepare, ruleGeneration: () => writes });
    await host.clock.advance(600_000);
    assert.equal(host.place.checks, 2, "before and after they were written");
    assert.equal(host.firewall.status().checks, 11);
    host.place.holds = null;
    writes += 1;
    await host.clock.advance(60_000);
    assert.equal(host.firewall.status().repaired, 1);
    host.host.want = rulesOf({ ...BOTH });
    host.firewall.poke();
    await host.clock.advance(1000);
    assert.equal(host.place.holds, host.host.want);
  });

  it("reads the rules of a place whose changes the kernel does not count, each time", async () => {
    await using host = startFirewall({ ruleGeneration: () => 7 });
    await host.clock.advance(20_000);
    assert.equal(host.place.checks, 5);
  });
});
