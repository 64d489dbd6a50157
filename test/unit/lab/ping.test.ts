import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parsePing } from "../../../lab/ping.ts";

/** From `ping -n -q -c 3 -i 0.01` of iputils 20221126. */
const ANSWERED = `PING 10.42.12.2 (10.42.12.2) 56(84) bytes of data.

--- 10.42.12.2 ping statistics ---
3 packets transmitted, 3 received, 0% packet loss, time 20ms
rtt min/avg/max/mdev = 0.046/0.071/0.109/0.027 ms
`;

const LOST = `PING 10.42.13.2 (10.42.13.2) 56(84) bytes of data.

--- 10.42.13.2 ping statistics ---
2 packets transmitted, 0 received, 100% packet loss, time 1014ms

`;

const REFUSED = `PING 10.9.9.9 (10.9.9.9) 56(84) bytes of data.

--- 10.9.9.9 ping statistics ---
2 packets transmitted, 1 received, +1 errors, 50% packet loss, time 11ms
rtt min/avg/max/mdev = 1.5/1.5/1.5/0.000 ms, pipe 2
`;

describe("parsePing", () => {
  it("reads counts and round trips", () => {
    assert.deepEqual(parsePing(ANSWERED), {
      sent: 3,
      received: 3,
      roundTrip: { min: 0.046, average: 0.071, max: 0.109 },
    });
  });

  it("has no round trip when nothing was answered", () => {
    assert.deepEqual(parsePing(LOST), { sent: 2, received: 0, roundTrip: null });
  });

  it("reads a summary with errors in it", () => {
    assert.deepEqual(parsePing(REFUSED), { sent: 2, received: 1, roundTrip: { min: 1.5, average: 1.5, max: 1.5 } });
  });

  it("is null for what is not a summary", () => {
    assert.equal(parsePing("ping: connect: Network is unreachable\n"), null);
  });
});
