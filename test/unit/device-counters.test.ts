import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseDevice, readDevice } from "../../src/device-counters.ts";

const TEXT = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 104      2    0    0    0     0          0         0      104       2    0    0    0     0       0          0
flannel.1:1500     12    1    2    0     0          0         0      900       7    3    4    0     0       0          0
flannel.10: 7       7    7    7    7     7          7         7        7       7    7    7    7     7       7          7
`;

describe("what the kernel has counted on a device", () => {
  it("is read from the line with its whole name, also without a blank behind that", () => {
    assert.deepEqual(parseDevice(TEXT, "flannel.1"), {
      name: "flannel.1",
      traffic: { receivedBytes: 1500, receivedPackets: 12, sentBytes: 900, sentPackets: 7 },
      errors: { received: 1, sent: 3 },
      dropped: { received: 2, sent: 4 },
    });
  });

  it("is null of a device that is not there, or of a text that is another", () => {
    assert.equal(parseDevice(TEXT, "flannel"), null);
    assert.equal(parseDevice("lo: 1 2", "lo"), null);
  });

  it("is there for the devices of this host", async () => {
    assert.equal((await readDevice("lo"))?.name, "lo");
    assert.equal(await readDevice("nothing0"), null);
  });
});
