import { beforeEach, describe } from "node:test";
import { parseIpv4 } from "../../../src/base/ip.ts";
import { parseIpv6 } from "../../../src/base/ipv6.ts";
import { type PingerFixture, pingerContract } from "../../contract/pinger.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { createFakePinger } from "../../fakes/fake-pinger.ts";

describe("the fake pinger", () => {
  let fixture: PingerFixture;

  beforeEach(() => {
    const clock = createFakeClock();
    const pinger = createFakePinger(clock);
    pinger.paths.set("10.9.1.2", {}).set("fd00::2", {}).set("10.9.3.2", { mtu: 1400 });
    pinger.paths.set("10.9.2.2", { mtu: 1400, router: "10.9.1.1" });
    fixture = {
      pinger,
      near: parseIpv4("10.9.1.2"),
      near6: parseIpv6("fd00::2"),
      narrow: parseIpv4("10.9.2.2"),
      router: "10.9.1.1",
      hole: parseIpv4("10.9.3.2"),
      dead: parseIpv4("10.9.4.2"),
      async wait(work) {
        const settled = work.finally(() => {});
        await clock.advance(20_000);
        return await settled;
      },
    };
  });

  pingerContract(() => fixture);
});
