import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { minutes, seconds } from "../../../src/base/brand.ts";
import { type OperatorDesk, openDesk } from "../../support/operator.ts";

const CONFIG = '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}';
const LEASE =
  '{"PublicIP":"10.0.0.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:01"}}';
const KEY = "10.5.1.0-24";
let desk: OperatorDesk;

beforeEach(() => {
  desk = openDesk();
});

describe("leases", () => {
  beforeEach(() => {
    desk.store.writeConfig(CONFIG);
    desk.store.write({ [KEY]: LEASE }, minutes(10));
    desk.store.write({ "10.5.10.0-24": LEASE.replace("10.0.0.1", "10.0.0.10"), "foo\u001b[2J": "bar" });
  });

  it("are a table of what is leased, reserved and bad, and a sum", async () => {
    const { status, out, err } = await desk.run("leases");
    assert.deepEqual([status, err], [0, ""]);
    assert.equal(
      out,
      "SUBNET        PUBLIC IP  BACKEND  KIND      TIME LEFT\n" +
        "10.5.1.0/24   10.0.0.1   vxlan    leased    10m00s\n" +
        "10.5.10.0/24  10.0.0.10  vxlan    reserved  no end\n" +
        "BAD RECORD    WHY DAEMONS LEAVE IT OUT\n" +
        "foo\\u001b[2J  its key is not a subnet without a host part, such as 10.5.52.0-24\n" +
        "1 lease, 1 reserved, 1 bad, 253 free of 255\n",
    );
  });

  it("are shown without asking for the time when that is not wanted", async () => {
    const { out } = await desk.run("leases", "--no-ttl");
    assert.doesNotMatch(out, /TIME LEFT/);
    assert.ok(!desk.store.calls().includes("timeLeft"));
  });

  it("are shown also without a config or with a bad one, and it is said what is missing", async () => {
    for (const [config, says] of [
      [null, /no network config at/],
      ["{}", /not valid/],
    ] as const) {
      desk.store.writeConfig(config);
      const { status, out, err } = await desk.run("leases");
      assert.equal(status, 0);
      assert.match(err, says);
      assert.match(out, /1 lease, 1 reserved, 1 bad\n$/);
    }
  });

  it("paint only a terminal", async () => {
    desk.isTerminal = true;
    assert.ok((await desk.run("leases")).out.includes("\u001b[1mSUBNET"));
  });

  it("are asked for their time by a few requests at once, and it is shown how far that is when it takes long", async () => {
    const many = Array.from({ length: 100 }, (_, n) => [`10.5.${n + 100}.0-24`, LEASE]);
    desk.store.write(Object.fromEntries(many), minutes(10));
    let [running, most] = [0, 0];
    desk.wrap = (store) => ({
      ...store,
      timeLeft: async (lease, signal) => {
        most = Math.max(most, ++running);
        await Promise.resolve();
        await desk.clock.advance(seconds(2));
        running -= 1;
        return store.timeLeft(lease, signal);
      },
    });
    const { err } = await desk.run("leases");
    assert.ok(most > 1 && most <= 16, String(most));
    assert.match(err, /^flanneld: asked for the time left of \d+ of 101 leases/);
    desk.isTerminal = true;
    const shown = (await desk.run("leases")).err;
    assert.match(shown, /^\rasked for the time left of \d+ of 101 leases[^\n]*$/);
    assert.ok(shown.endsWith("\r\u001b[K"), "the line is wiped at the end");
  });
});
