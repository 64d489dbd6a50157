import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Family } from "../../src/base/ip.ts";
import { createForwardingWatch } from "../../src/watch-forwarding.ts";
import { startWatch } from "../support/running-watch.ts";

const MINUTE = 60_000;

function start(first: boolean | null, families: readonly Family[] = ["ipv4"]) {
  const host = { forwards: first };
  const isForwarding = async (family: Family) => (family === families.at(-1) ? host.forwards : true);
  return startWatch(host, (means) => createForwardingWatch({ isForwarding, families: () => families, ...means }));
}

describe("a host that does not forward", () => {
  it("is told within two minutes, once, with the command that mends it, and when it forwards again", async () => {
    await using place = start(false);
    await place.clock.advance(MINUTE);
    assert.match(place.watch.trouble() ?? "", /^net\.ipv4\.ip_forward is 0/);
    await place.clock.advance(MINUTE / 2);
    assert.deepEqual(place.log.messages(), ["this host does not forward packets"]);
    assert.match(place.log.lines[0]?.fields.hint ?? "", /^sysctl -w net\.ipv4\.ip_forward=1/);
    place.host.forwards = true;
    await place.clock.advance(MINUTE);
    assert.equal(place.watch.trouble(), null);
    assert.deepEqual(place.log.messages("info"), ["this host forwards packets again"]);
    place.host.forwards = false;
    await place.clock.advance(2 * MINUTE);
    assert.notEqual(place.watch.trouble(), null);
  });

  it("is given the time in which Docker or a CNI plugin switches it on after a boot", async () => {
    await using place = start(false);
    await place.clock.advance(MINUTE / 2);
    place.host.forwards = true;
    await place.clock.advance(10 * MINUTE);
    assert.deepEqual([place.watch.trouble(), place.log.lines], [null, []]);
  });

  it("is told of IPv6 where the network has it, and is not asked about IPv4 where it has not", async () => {
    for (const families of [["ipv4", "ipv6"], ["ipv6"]] as const) {
      await using place = start(false, families);
      await place.clock.advance(2 * MINUTE);
      assert.match(place.watch.trouble() ?? "", /^net\.ipv6\.conf\.all\.forwarding is 0/);
      assert.match(place.log.lines[0]?.fields.hint ?? "", /^sysctl -w net\.ipv6\.conf\.all\.forwarding=1/);
    }
  });

  it("is not guessed where it cannot be told", async () => {
    await using place = start(null);
    await place.clock.advance(10 * MINUTE);
    assert.deepEqual([place.watch.trouble(), place.log.lines], [null, []]);
  });
});
